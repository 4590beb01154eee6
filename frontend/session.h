/* SPDX-License-Identifier: MIT
 *
 * A session: a model lowered to a tape for one device, batch size and purpose. Sessions of one
 * model share its weights.
 */
#ifndef NT_FRONTEND_SESSION_H
#define NT_FRONTEND_SESSION_H

#include "engine/tape.h"
#include "frontend/model.h"
#include "frontend/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

enum nt_optimizer {
    NT_OPTIMIZER_SGD, /* momentum and Nesterov as in PyTorch: v = m v + g, p -= lr (v or g + m v) */
    NT_OPTIMIZER_ADAM,    /* Kingma & Ba 2015, Algorithm 1; weight decay added to the gradient */
    NT_OPTIMIZER_ADAMW,   /* Loshchilov & Hutter 2019, Algorithm 2 */
    NT_OPTIMIZER_ADAGRAD, /* Duchi, Hazan & Singer 2011 */
    NT_OPTIMIZER_RMSPROP, /* Tieleman & Hinton 2012, lecture 6.5; momentum as in PyTorch */
    NT_OPTIMIZER_RMSPROP_CENTERED /* Graves 2013, eq. 38 to 45: by the gradient's variance */
};
NT_API int nt_optimizer_slots(enum nt_optimizer optimizer);        /* 1 to 3 */
NT_API const char *nt_optimizer_name(enum nt_optimizer optimizer); /* "sgd" */
NT_API bool nt_optimizer_parse(const char *name, enum nt_optimizer *optimizer);

/* Numbers of one training step, read at each step: they may change freely. */
struct nt_step_params {
    double learning_rate;
    double momentum; /* SGD, RMSprop */
    bool nesterov;   /* SGD */
    double
        weight_decay; /* decay times the parameter is added to its gradient; decoupled in AdamW */
    double l1;        /* times the parameter's sign is added to its gradient */
    double beta1, beta2; /* Adam; 0 means 0.9 and 0.999 */
    double alpha;        /* RMSprop's decay of averages; 0 means 0.99 */
    double epsilon;      /* of all but SGD; 0 means 1e-8, Adagrad's 1e-10 */
    double clip_value;   /* largest magnitude of a gradient's element; 0: any */
    double clip_norm;    /* largest norm of all gradients together, clipped by value; 0: any */
    int64_t step;        /* counts from 1: Adam's bias correction, random numbers */
    uint64_t seed;       /* of dropout and the like: seed and step name their numbers */
};

struct nt_session_params {
    int64_t batch; /* 0 means 1 */
    bool training; /* the forward behaves as in training; gradients and update are run */
    enum nt_optimizer optimizer;
    bool clip_norm; /* steps may give a clip_norm */
    /* Names of parameters as patterns, "*.bias,bn?.weight": those that neither weight decay nor L1
     * touch, and those that stay as they are. NULL: none. Used during creation. */
    const char *no_decay, *freeze;
    /* Gradients only, no update: for gradient checks. They are read with
     * nt_session_gradient. */
    bool gradients;
    /* Neither loss nor metrics: what the outputs need is run, and nothing else. Not in training. */
    bool outputs_only;
    /* What follows from the weights alone (packed or transformed weights, the scales of a
     * normalisation) is computed at each run, instead of once for the same weights: less memory,
     * slower runs of small batches. A memory limit implies it, training and gradients too. */
    bool lean;
    bool dry; /* plan only: no kernel is compiled and nothing allocated */
    /* Bytes of nt_session_bytes that must not be passed; 0: any. Activations are computed again in
     * the backward pass, as few as must be, with the same results; NT_ERR_MEMORY names the least
     * that is possible. */
    size_t memory_limit;
};

/* Thread-safety: one thread at a time, the same as the device's. */
struct nt_session;

/* weights may be NULL with dry. */
NT_API enum nt_status nt_session_create(struct nt_device *dev, struct nt_model *model,
    struct nt_weights *weights, const struct nt_session_params *params, struct nt_session **out);
NT_API void nt_session_destroy(struct nt_session *session);

/* What the session is made of, and its own: the launches, their memory, the graph after fusion. */
NT_API struct nt_tape *nt_session_tape(struct nt_session *session);
NT_API const struct nt_plan_info *nt_session_plan(const struct nt_session *session);
NT_API struct nt_graph *nt_session_graph(struct nt_session *session);

/* Device memory of the session and of its weights with the optimizer's state. */
NT_API size_t nt_session_bytes(const struct nt_session *session);

/* Inputs in the model's order, outputs by name; shapes with the batch. layout is how the
 * host must lay the data out (inputs) or finds it (outputs are always row-major). */
struct nt_port {
    const char *name;
    enum nt_dtype dtype;
    struct nt_shape shape;
    enum nt_layout layout;
    size_t bytes;
    /* Of an output of doubles in an ONNX file that follows from the arrays the model was loaded
     * with: its numbers in double precision, row-major, the session's. Else NULL. */
    const double *exact;
};
NT_API int nt_session_input_count(const struct nt_session *session);
NT_API struct nt_port nt_session_input(const struct nt_session *session, int index);
/* Whether anything that is run reads an input. With outputs_only a target, for one, is left out. */
NT_API bool nt_session_reads(const struct nt_session *session, int input);
NT_API int nt_session_output_count(const struct nt_session *session);
NT_API struct nt_port nt_session_output(const struct nt_session *session, int index);

/* Blocking copies. write takes the port's layout; read gives row-major. */
NT_API enum nt_status nt_session_write(struct nt_session *session, int input, const void *data);
NT_API enum nt_status nt_session_read(struct nt_session *session, int output, void *data);

/* The double-buffered way in, made at first use: ptr[i] belongs to input i. */
NT_API enum nt_status nt_session_acquire(struct nt_session *session, void **ptr);
NT_API enum nt_status nt_session_submit(struct nt_session *session);

/* Enqueues one run: forward, and in training gradients and update (step is needed then).
 * Does not wait. */
NT_API enum nt_status nt_session_run(struct nt_session *session, const struct nt_step_params *step);

/* Sets the states that the session carries from run to run (hidden states) to what they start
 * from, as creating the session does. Waits. States among the weights are left alone. */
NT_API enum nt_status nt_session_reset(struct nt_session *session);

/* Waits and returns what the runs since the last call summed up, when the model has a loss:
 * loss summed over items, items whose first output's largest class is the target, items. */
struct nt_metrics {
    double loss, correct, items;
};
NT_API enum nt_status nt_session_metrics(struct nt_session *session, struct nt_metrics *metrics);

/* Whether metrics.correct means something: an int32 input holds the class of each item, or of each
 * place, that the first output scores. */
NT_API bool nt_session_classifies(const struct nt_session *session);

/* The loss of the latest run; waits. */
NT_API enum nt_status nt_session_loss(struct nt_session *session, float *loss);

/* The gradient of a trained weight (index in nt_weights), row-major; needs params.gradients. */
NT_API enum nt_status nt_session_gradient(struct nt_session *session, int weight, float *data);
/* The gradient of a float32 input, row-major, NT_ERR_ARGUMENT for an input of another type. */
NT_API enum nt_status nt_session_input_gradient(struct nt_session *session, int input, float *data);

#ifdef __cplusplus
}
#endif
#endif
