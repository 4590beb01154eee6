/* SPDX-License-Identifier: MIT
 *
 * Random operands of the primitives that choose by an index: a table, an index tensor that
 * broadcasts, and one element for each index.
 */
#ifndef NT_TESTS_OP_INDEXED_H
#define NT_TESTS_OP_INDEXED_H

#include <string.h>

#include "tests/op/strided.h"
#include "tests/testing.h"

struct indexed {
    int axis;
    struct test_tensor table, index, elements;
};

static inline struct nt_tape *indexed_open(const char *primitive, const char *variant)
{
    struct nt_tape *tape;
    char force[64];
    test_ok(nt_tape_create(test_device(), &tape));
    snprintf(force, sizeof force, "%s=%s", primitive, variant);
    test_ok(nt_tape_force(tape, force));
    return tape;
}

/* Some indices are negative, some outside. */
static inline struct indexed indexed_make(struct nt_tape *tape, enum nt_dtype dtype)
{
    struct indexed t = {0};
    int rank = test_int(1, 5), most = test_small() ? 6 : rank < 3 ? 90 : 9;
    struct nt_shape table = test_shape(rank, most), elements = table;
    t.axis = test_int(0, rank - 1);
    elements.dim[t.axis] = test_int(1, most);
    struct nt_shape index = elements;
    if (test_int(0, 1)) /* whole slices */
        for (int i = 0; i < rank; i++)
            index.dim[i] = i == t.axis ? index.dim[i] : 1;
    else
        index = test_broadcast_shape(&elements);
    t.table = test_tensor_make(tape, dtype, &table, (enum test_lying)test_int(0, 2));
    t.index = test_tensor_make(tape, NT_I32, &index, (enum test_lying)test_int(0, 2));
    t.elements = test_tensor_make(tape, dtype, &elements, (enum test_lying)test_int(0, 2));
    int n = (int)table.dim[t.axis];
    for (size_t i = 0; i < t.index.bytes / 4; i++) {
        static const int32_t outside[] = {INT32_MIN, INT32_MAX, -1000000, 1000000};
        int kind = test_int(0, 30);
        ((int32_t *)t.index.before)[i] = kind == 0   ? n
                                         : kind == 1 ? -n - 1
                                         : kind == 2 ? outside[test_int(0, 3)]
                                         : kind < 9  ? test_int(-n, -1)
                                                     : test_int(0, n - 1);
    }
    return t;
}

static inline void indexed_free(struct indexed *t)
{
    test_tensor_free(&t->table);
    test_tensor_free(&t->index);
    test_tensor_free(&t->elements);
}

/* The place in the table of an element; false when its index is bad. */
static inline bool indexed_place(const struct indexed *t, const int64_t *at, int64_t *place)
{
    const struct nt_shape *shape = &t->elements.tensor.shape;
    int64_t n = t->table.tensor.shape.dim[t->axis];
    int64_t index = (int64_t)test_tensor_before(&t->index, shape, at);
    memcpy(place, at, sizeof *at * (size_t)shape->rank);
    place[t->axis] = index < 0 ? index + n : index;
    return index >= -n && index < n;
}

#endif
