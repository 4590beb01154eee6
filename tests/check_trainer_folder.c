/* SPDX-License-Identifier: MIT
 *
 * What a training leaves in its folder: whatever ends it, and whoever comes after it.
 */
#include "frontend/trainer.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "frontend/checkpoint.h"
#include "frontend/dataset/kind.h"
#include "frontend/file.h"
#include "tests/fixture.h"
#include "tests/testing.h"
#include "tests/toy.h"

#define ITEMS 100
#define BATCH 16 /* 6 steps an epoch, 4 items left over */
#define STEPS (ITEMS / BATCH)

static struct nt_model *model;
static struct nt_dataset *data;

static void open_all(void)
{
    model = toy_model("toy");
    data = toy_dataset(toy_data("toy", ITEMS));
}

static void close_all(void)
{
    nt_dataset_close(data);
    nt_model_destroy(model);
}

static const struct nt_dataset_kind *quick;
static int64_t bad_from;

/* The latter part of the data has gone since they were opened. */
static enum nt_status item_that_has_gone(struct nt_context *ctx, const struct nt_dataset *dataset,
    int64_t index, struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    if (index >= bad_from)
        return nt_fail(ctx, NT_ERR_FILE, "item %lld has gone", (long long)index);
    return quick->item(ctx, dataset, index, random, layout, x, y);
}

/* Writes the checkpoint with other text in its training state, which is JSON within JSON, and the
 * header's length to match. */
static void refuses_state(const struct nt_trainer_params *params, const char *path,
    const uint8_t *bytes, size_t size, const char *is, const char *becomes)
{
    char quoted[2][200];
    for (int k = 0; k < 2; k++) {
        char *to = quoted[k];
        for (const char *from = k ? becomes : is; *from; from++) {
            if (*from == '"')
                *to++ = '\\';
            *to++ = *from;
        }
        *to = 0;
    }
    size_t old = strlen(quoted[0]), new = strlen(quoted[1]), at = 8;
    while (at + old < size && memcmp(bytes + at, quoted[0], old) != 0)
        at++;
    ck_assert_msg(at + old < size, "the state lacks %s", is);
    uint8_t *changed = malloc(size + new);
    uint64_t header;
    memcpy(&header, bytes, sizeof header);
    header += new - old;
    memcpy(changed, bytes, at);
    memcpy(changed, &header, sizeof header);
    memcpy(changed + at, quoted[1], new);
    memcpy(changed + at + new, bytes + at + old, size - at - old);
    fixture_write(path, changed, size + new - old);
    free(changed);
    struct nt_trainer *trainer;
    test_fails(nt_trainer_create(test_device(), model, data, params, &trainer), NT_ERR_FORMAT,
        "its training state is broken");
}

/* In the second step, or in the evaluation of the first epoch. */
START_TEST(unreadable_data_do_not_cost_the_steps_before)
{
    open_all();
    struct nt_dataset *fresh = toy_dataset(toy_data("fresh", 50)), *bad = _i ? fresh : data;
    char last[1100], name[32];
    snprintf(name, sizeof name, "gone/run%d", _i);
    struct nt_trainer_params params = {.batch = BATCH,
        .epochs = 2,
        .seed = 3,
        .no_shuffle = true,
        .workers = 1,
        .validation = fresh,
        .out = fixture_path(name)};
    struct nt_trainer_stored stored;
    struct nt_trainer *trainer;
    quick = bad->kind;
    struct nt_dataset_kind broken = *quick;
    broken.item = item_that_has_gone;
    bad_from = _i ? 10 : 3 * BATCH;
    bad->kind = &broken;
    test_ok(nt_trainer_create(test_device(), model, data, &params, &trainer));
    test_fails(nt_trainer_run(trainer, NULL), NT_ERR_FORMAT, "; the steps until then are saved in");
    nt_trainer_destroy(trainer);
    bad->kind = quick;
    snprintf(last, sizeof last, "%s/last.safetensors", params.out);
    test_ok(nt_trainer_read_params(test_context(), last, &stored));
    if (_i)
        ck_assert_int_eq(stored.step, STEPS);
    else
        ck_assert_msg(stored.step >= 1 && stored.step <= 3, "step %lld", (long long)stored.step);
    nt_trainer_stored_finish(&stored);
    size_t count;
    params.resume = true;
    float *got = toy_train(model, data, &params, NULL, &count);
    params.resume = false;
    params.out = NULL;
    float *want = toy_train(model, data, &params, NULL, &count);
    toy_same_bits(want, got, count, true);
    free(want);
    free(got);
    nt_dataset_close(fresh);
    close_all();
}
END_TEST

START_TEST(one_training_to_a_folder)
{
    open_all();
    struct nt_trainer_params params = {
        .batch = BATCH, .epochs = 1, .seed = 3, .out = fixture_path("locked/run")};
    struct nt_trainer *first, *second;
    test_ok(nt_trainer_create(test_device(), model, data, &params, &first));
    test_fails(nt_trainer_create(test_device(), model, data, &params, &second), NT_ERR_FILE,
        "another training is writing into this folder");
    nt_trainer_destroy(first);
    test_ok(nt_trainer_create(test_device(), model, data, &params, &second));
    nt_trainer_destroy(second);
    close_all();
}
END_TEST

START_TEST(a_former_training_is_kept)
{
    open_all();
    struct nt_trainer_params params = {
        .batch = BATCH, .epochs = 2, .seed = 3, .out = fixture_path("again/run")};
    struct nt_trainer_stored stored;
    char path[1100];
    size_t count;
    free(toy_train(model, data, &params, NULL, &count));
    params.epochs = 1;
    free(toy_train(model, data, &params, NULL, &count));
    for (int former = 0; former < 2; former++) {
        snprintf(path, sizeof path, "%s/%slast.safetensors", params.out, former ? "former/" : "");
        test_ok(nt_trainer_read_params(test_context(), path, &stored));
        ck_assert_int_eq(stored.step, former ? 2 * STEPS : STEPS);
        nt_trainer_stored_finish(&stored);
    }
    params.epochs = 2;
    params.resume = true; /* goes on, and leaves what is kept */
    free(toy_train(model, data, &params, NULL, &count));
    snprintf(path, sizeof path, "%s/former", params.out);
    ck_assert_int_eq(fixture_entries(path), 4);
    close_all();
}
END_TEST

/* A checkpoint whose counters say what cannot be. */
START_TEST(counters_that_do_not_fit)
{
    static const char *const broken[][2] = {{"\"step\":12", "\"step\":-4"},
        {"\"step\":12", "\"step\":1000000000000"}, {"\"position\":0", "\"position\":77"},
        {"\"position\":0", "\"position\":-9223372036854775808"},
        {"\"epochs_done\":2", "\"epochs_done\":9223372036854775807"}};
    open_all();
    struct nt_trainer_params params = {
        .batch = BATCH, .epochs = 2, .seed = 3, .out = fixture_path("broken/run")};
    char path[1100];
    size_t count, size;
    uint8_t *bytes;
    free(toy_train(model, data, &params, NULL, &count));
    snprintf(path, sizeof path, "%s/last.safetensors", params.out);
    test_ok(nt_file_read(test_context(), path, 0, &bytes, &size));
    params.resume = true;
    params.epochs = 3;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        refuses_state(&params, path, bytes, size, broken[i][0], broken[i][1]);
    free(bytes);
    close_all();
}
END_TEST

START_TEST(a_folder_that_cannot_be_made)
{
    open_all();
    const char *path = fixture_path("file");
    fixture_write(path, "x", 1);
    char inside[1100];
    snprintf(inside, sizeof inside, "%s/run", path);
    struct nt_trainer_params params = {.batch = BATCH, .out = inside};
    struct nt_trainer *trainer;
    test_fails(nt_trainer_create(test_device(), model, data, &params, &trainer), NT_ERR_FILE, path);
    close_all();
}
END_TEST

/* A limit on the size of files stands for a full disk. */
START_TEST(a_full_disk_leaves_the_former_checkpoint)
{
    open_all();
    struct nt_trainer_params params = {
        .batch = BATCH, .epochs = 1, .seed = 3, .out = fixture_path("full/run")};
    struct nt_trainer *trainer;
    size_t count;
    float *want = toy_train(model, data, &params, NULL, &count);
    char path[1100];
    snprintf(path, sizeof path, "%s/last.safetensors", params.out);
    params.resume = true;
    test_ok(nt_trainer_create(test_device(), model, data, &params, &trainer));
    struct rlimit old, tight;
    getrlimit(RLIMIT_FSIZE, &old);
    tight = old;
    tight.rlim_cur = 2000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    enum nt_status status = nt_trainer_save(trainer, path);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_int_eq(status, NT_ERR_FILE);
    ck_assert(strstr(nt_error_message(test_context()), "last.safetensors"));
    test_ok(
        nt_checkpoint_load(test_context(), nt_trainer_weights(trainer), NT_OPTIMIZER_SGD, path));
    size_t n;
    float *got = toy_snapshot(nt_trainer_weights(trainer), &n);
    toy_same_bits(want, got, count, true);
    free(want);
    free(got);
    nt_trainer_destroy(trainer);
    close_all();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trainer_folder");
    TCase *tests = tcase_create("trainer_folder");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, unreadable_data_do_not_cost_the_steps_before, 0, 2);
    tcase_add_test(tests, one_training_to_a_folder);
    tcase_add_test(tests, a_former_training_is_kept);
    tcase_add_test(tests, counters_that_do_not_fit);
    tcase_add_test(tests, a_folder_that_cannot_be_made);
    tcase_add_test(tests, a_full_disk_leaves_the_former_checkpoint);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
