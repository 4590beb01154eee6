/* SPDX-License-Identifier: MIT
 *
 * gcc train.c $(pkg-config --cflags --libs neutra) -o train && ./train zoo/mlp.lua fashion-mnist
 */
#include <neutra.h>
#include <stdio.h>

static void report(void *user, const struct nt_training *t)
{
    if (t->epoch_end)
        printf("epoch %d: loss %.4f, accuracy %.3f\n", (int)t->epoch, t->loss, t->accuracy);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "zoo/mlp.lua";
    const char *spec = argc > 2 ? argv[2] : "fashion-mnist";
    struct nt_trainer_params params = {
        .optimizer = NT_OPTIMIZER_ADAM, .batch = 100, .steps = 300, .seed = 1, .report = report};
    struct nt_context *ctx;
    struct nt_device *dev = NULL;
    struct nt_model *model = NULL;
    struct nt_dataset *data = NULL;
    struct nt_trainer *trainer = NULL;
    if (nt_context_create(NULL, &ctx) != NT_OK)
        return 1;
    bool done = nt_device_open(ctx, NULL, &dev) == NT_OK &&
                nt_model_load(ctx, path, 0, NULL, &model) == NT_OK &&
                nt_dataset_open(ctx, spec, NULL, &data) == NT_OK &&
                nt_trainer_create(dev, model, data, &params, &trainer) == NT_OK &&
                nt_trainer_run(trainer, NULL) == NT_OK &&
                nt_weights_save(nt_trainer_weights(trainer), "trained.safetensors") == NT_OK;
    printf("%s\n", done ? "saved trained.safetensors" : nt_error_message(ctx));
    nt_trainer_destroy(trainer);
    nt_dataset_close(data);
    nt_model_destroy(model);
    nt_device_close(dev);
    nt_context_destroy(ctx);
    return done ? 0 : 1;
}
