/* SPDX-License-Identifier: MIT
 *
 * A convolution of one tap and stride 1 as what it is: pixels x channels times the weights.
 */
#include "engine/op/conv.h"

/* Whether all pixels of all images are equally far apart, and how far. */
static bool spaced(const struct nt_tensor *t, int64_t *step)
{
    static const int order[] = {4, 3, 2, 0};
    int64_t next = 0;
    *step = t->shape.dim[1];
    for (int i = 0; i < 4; i++) {
        int64_t dim = t->shape.dim[order[i]], stride = t->stride[order[i]];
        if (dim == 1)
            continue;
        if (next == 0)
            *step = next = stride;
        if (stride != next)
            return false;
        next *= dim;
    }
    return true;
}

const char *nt_conv_gemm_rule(const struct nt_conv_problem *p)
{
    int64_t step;
    for (int i = 0; i < 3; i++)
        if (p->taps[i] != 1 || p->stride[i] != 1 || p->pad[i] != 0 || p->in[i] != p->out[i])
            return "must have one tap, stride 1 and no padding";
    if (p->groups != 1)
        return "must have one group";
    return spaced(&p->x, &step) && spaced(&p->y, &step) ? NULL : "pixels must be evenly spaced";
}

/* An operand of the epilogue, of rank 5, as the product's: a scalar, a row or all of C. */
static struct nt_tensor operand(const struct nt_tensor *in, const struct nt_tensor *c)
{
    struct nt_tensor t = *in;
    int64_t count = nt_shape_count(&in->shape), n = c->shape.dim[1];
    t.shape = c->shape;
    t.stride[0] = c->stride[0];
    t.stride[1] = c->stride[1];
    if (count == 1 || (count == n && in->shape.dim[1] == n)) {
        t.shape = (struct nt_shape){1, {count}};
        t.stride[0] = 1;
    }
    return t;
}

enum nt_status nt_conv_gemm(struct nt_tape *tape, const struct nt_conv_pass *pass)
{
    int64_t pixels = pass->images * nt_conv_product(pass->out);
    struct nt_tensor a = *pass->x, b = *pass->w, c = *pass->y, in[4];
    struct nt_epilogue epilogue = *pass->epilogue;
    a.shape = (struct nt_shape){2, {pixels, pass->c}};
    b.shape = (struct nt_shape){2, {pass->c, pass->k}};
    c.shape = (struct nt_shape){2, {pixels, pass->k}};
    spaced(pass->x, &a.stride[0]);
    spaced(pass->y, &c.stride[0]);
    a.stride[1] = c.stride[1] = 1;
    b.stride[0] = pass->w_c;
    b.stride[1] = pass->w_k;
    for (int i = 0; epilogue.expr && i < epilogue.inputs; i++)
        in[i] = operand(&epilogue.in[i], &c);
    epilogue.in = in;
    return nt_gemm(tape, &a, &b, &c, &epilogue);
}

/* A product is the faster way where it has many results, each a sum over few pixels. */
bool nt_conv_weight_gemm_pays(const struct nt_conv_problem *p)
{
    return !nt_conv_gemm_rule(p) && p->k * p->c >= 128 * p->images * p->pixels;
}

enum nt_status nt_conv_weight_gemm(struct nt_tape *tape, const struct nt_conv_problem *p)
{
    int64_t pixels = p->images * p->pixels;
    struct nt_tensor a = p->y, b = p->x, c = p->w;
    a.shape = (struct nt_shape){2, {p->k, pixels}};
    b.shape = (struct nt_shape){2, {pixels, p->c}};
    c.shape = (struct nt_shape){2, {p->k, p->c}};
    spaced(&p->y, &a.stride[1]);
    spaced(&p->x, &b.stride[0]);
    a.stride[0] = b.stride[1] = c.stride[1] = 1;
    c.stride[0] = p->c;
    return nt_gemm(tape, &a, &b, &c, NULL);
}
