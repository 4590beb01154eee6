/* SPDX-License-Identifier: MIT */
#include "frontend/trainer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "frontend/checkpoint.h"
#include "frontend/dataset/kind.h"
#include "frontend/file.h"
#include "frontend/npy.h"
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

START_TEST(learns)
{
    open_all();
    struct nt_dataset *fresh = toy_dataset(toy_data("fresh", 50));
    struct nt_trainer_params params = {.batch = BATCH,
        .epochs = 20,
        .optimizer = NT_OPTIMIZER_ADAM,
        .learning_rate = 0.01,
        .seed = (uint64_t)test_int(1, 1000),
        .validation = fresh};
    struct nt_training result;
    size_t count;
    free(toy_train(model, data, &params, &result, &count));
    ck_assert_int_eq(result.step, 20 * STEPS);
    ck_assert_int_eq(result.steps, result.step);
    ck_assert_msg(result.validation_accuracy > 0.9, "accuracy %g", result.validation_accuracy);
    ck_assert(result.best >= result.validation_accuracy && result.best <= 1);
    ck_assert(result.items_per_second > 0 && result.seconds > 0);
    nt_dataset_close(fresh);
    close_all();
}
END_TEST

/* The epoch of the highest accuracy, of those that reach it the one of the lowest loss. */
static void follow_best(void *user, const struct nt_training *t)
{
    struct nt_training *best = user;
    double more = t->validation_accuracy - best->validation_accuracy;
    if (t->epoch_end &&
        (best->epoch == 0 || more > 0 || (more == 0 && t->validation_loss < best->validation_loss)))
        *best = *t;
}

START_TEST(loss_parts_equal_accuracies)
{
    open_all();
    struct nt_dataset *fresh = toy_dataset(toy_data("fresh", 8)); /* few: all right, soon */
    struct nt_training best = {0}, result;
    struct nt_trainer_params params = {.batch = BATCH,
        .epochs = 20,
        .optimizer = NT_OPTIMIZER_ADAM,
        .learning_rate = 0.01,
        .validation = fresh,
        .report = follow_best,
        .user = &best};
    size_t count;
    free(toy_train(model, data, &params, &result, &count));
    ck_assert(best.validation_accuracy == result.best);
    ck_assert_int_eq(result.best_epoch, best.epoch);
    nt_dataset_close(fresh);
    close_all();
}
END_TEST

static const struct nt_dataset_kind *quick;

static enum nt_status item_after_a_while(struct nt_context *ctx, const struct nt_dataset *dataset,
    int64_t index, struct nt_random *random, enum nt_layout layout, void *x, void *y)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    return quick->item(ctx, dataset, index, random, layout, x, y);
}

START_TEST(waiting_for_data_is_told)
{
    open_all();
    struct nt_trainer_params params = {.batch = BATCH, .epochs = 2, .workers = 1};
    struct nt_training result;
    size_t count;
    free(toy_train(model, data, &params, &result, &count));
    ck_assert_msg(result.waiting >= 0 && result.waiting <= 1, "waiting %g", result.waiting);
    quick = data->kind;
    struct nt_dataset_kind slow = *quick;
    slow.item = item_after_a_while;
    data->kind = &slow;
    free(toy_train(model, data, &params, &result, &count));
    data->kind = quick;
    ck_assert_msg(result.waiting > 0.5 && result.waiting <= 1, "waiting %g", result.waiting);
    close_all();
}
END_TEST

START_TEST(same_seed_same_bits)
{
    open_all();
    struct nt_trainer_params params = {
        .batch = BATCH, .epochs = 3, .momentum = 0.9, .seed = 7, .workers = 1};
    size_t count;
    float *a = toy_train(model, data, &params, NULL, &count);
    params.workers = 3;
    params.log_every = 1; /* reading figures must not matter */
    float *b = toy_train(model, data, &params, NULL, &count);
    toy_same_bits(a, b, count, true);
    params.seed = 8;
    float *c = toy_train(model, data, &params, NULL, &count);
    toy_same_bits(a, c, count, false);
    free(a);
    free(b);
    free(c);
    close_all();
}
END_TEST

static volatile sig_atomic_t stop;
static int64_t stop_at;

static void stop_there(void *user, const struct nt_training *training)
{
    if (training->step >= stop_at)
        stop = 1;
}

/* The lines of DIR/metrics.jsonl as "s6 e1 ": kind and step or epoch. */
static void read_log(const char *dir, char *text, size_t size)
{
    char path[1200];
    uint8_t *bytes;
    size_t length;
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    test_ok(nt_file_read(test_context(), path, 0, &bytes, &length));
    text[0] = 0;
    for (char *line = strtok((char *)bytes, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *json = json_loads(line, 0, NULL);
        ck_assert_msg(json_is_object(json), "not JSON: %s", line);
        ck_assert(json_number_value(json_object_get(json, "loss")) > 0);
        bool epoch = !strcmp(json_string_value(json_object_get(json, "kind")), "epoch");
        snprintf(text + strlen(text), size - strlen(text), "%c%d ", epoch ? 'e' : 's',
            (int)json_integer_value(json_object_get(json, epoch ? "epoch" : "step")));
        json_decref(json);
    }
    free(bytes);
}

static void interrupt_and_resume(struct nt_trainer_params params, const char *name, int64_t at)
{
    char whole[64], parts[64], log_whole[1000], log_parts[1000];
    snprintf(whole, sizeof whole, "%s-whole/run", name);
    snprintf(parts, sizeof parts, "%s-parts/run", name);
    size_t count;
    struct nt_training a, b;
    params.out = fixture_path(whole);
    float *want = toy_train(model, data, &params, &a, &count);
    read_log(params.out, log_whole, sizeof log_whole);

    params.out = fixture_path(parts);
    params.stop = &stop;
    params.report = stop_there;
    stop_at = at;
    stop = 0;
    struct nt_trainer *trainer;
    test_ok(nt_trainer_create(test_device(), model, data, &params, &trainer));
    test_fails(nt_trainer_run(trainer, NULL), NT_ERR_INTERRUPTED, "last.safetensors");
    nt_trainer_destroy(trainer);
    params.stop = NULL;
    params.report = NULL;
    params.resume = true;
    float *got = toy_train(model, data, &params, &b, &count);
    toy_same_bits(want, got, count, true);
    read_log(params.out, log_parts, sizeof log_parts);
    ck_assert_str_eq(log_parts, log_whole);
    ck_assert_int_eq(a.step, b.step);
    ck_assert_double_eq_tol(a.loss, b.loss, 1e-6);
    ck_assert_double_eq_tol(a.best, b.best, 1e-6);
    ck_assert_int_eq(a.best_epoch, b.best_epoch);
    free(want);
    free(got);
}

START_TEST(resume_gives_the_same_bits)
{
    open_all();
    struct nt_dataset *fresh = toy_dataset(toy_data("fresh", 50));
    struct nt_trainer_params params = {.batch = BATCH,
        .epochs = 3,
        .optimizer = (enum nt_optimizer)_i,
        .momentum = _i ? 0 : 0.9,
        .clip_norm = _i % 2 ? 0.5 : 0,
        .weight_decay = 1e-3,
        .no_decay = _i > 2 ? "*.bias" : NULL,
        .schedule = NT_SCHEDULE_COSINE,
        .warmup = 4,
        .log_every = 4,
        .seed = 3,
        .validation = fresh};
    char name[32];
    for (int at = 1; at < 3 * STEPS; at += test_int(2, 7)) {
        snprintf(name, sizeof name, "resume%d-%d", _i, at);
        interrupt_and_resume(params, name, at);
    }
    snprintf(name, sizeof name, "resume%d-epoch", _i);
    interrupt_and_resume(params, name, 2 * STEPS); /* at an epoch's last step */
    nt_dataset_close(fresh);
    close_all();
}
END_TEST

START_TEST(resume_after_a_kill)
{
    open_all();
    struct nt_trainer_params params = {
        .batch = BATCH, .epochs = 2, .momentum = 0.9, .seed = 3, .log_every = 1};
    size_t count;
    float *want = toy_train(model, data, &params, NULL, &count);
    /* A kill after step 9: the checkpoint of step 8, and lines of a later step. */
    params.out = fixture_path("kill/run");
    params.save_every = 4;
    params.stop = &stop;
    params.report = stop_there;
    stop_at = 9;
    stop = 0;
    char last[1100], kept[1200], log[1000];
    snprintf(last, sizeof last, "%s/last.safetensors", params.out);
    snprintf(kept, sizeof kept, "%s/kept", params.out);
    struct nt_trainer *trainer;
    test_ok(nt_trainer_create(test_device(), model, data, &params, &trainer));
    stop_at = 8;
    test_fails(nt_trainer_run(trainer, NULL), NT_ERR_INTERRUPTED, "step 8");
    ck_assert_int_eq(rename(last, kept), 0);
    stop = 0;
    stop_at = 10;
    test_fails(nt_trainer_run(trainer, NULL), NT_ERR_INTERRUPTED, "step 10");
    nt_trainer_destroy(trainer);
    ck_assert_int_eq(rename(kept, last), 0);
    snprintf(kept, sizeof kept, "%s.1-0.tmp", last);
    fixture_write(kept, "half a checkpoint", 17);
    params.stop = NULL;
    params.report = NULL;
    params.resume = true;
    float *got = toy_train(model, data, &params, NULL, &count);
    toy_same_bits(want, got, count, true);
    read_log(params.out, log, sizeof log);
    ck_assert_str_eq(log, "s1 s2 s3 s4 s5 s6 e1 s7 s8 s9 s10 s11 s12 e2 ");
    ck_assert(access(kept, F_OK) != 0);
    free(want);
    free(got);
    close_all();
}
END_TEST

START_TEST(resume_wants_the_same_training)
{
    open_all();
    struct nt_trainer_params params = {
        .batch = BATCH, .epochs = 1, .seed = 3, .out = fixture_path("same/run")};
    struct nt_trainer *trainer;
    size_t count;
    params.resume = true;
    test_fails(nt_trainer_create(test_device(), model, data, &params, &trainer), NT_ERR_FILE,
        "last.safetensors");
    params.resume = false;
    free(toy_train(model, data, &params, NULL, &count));
    params.resume = true;
    params.batch = 8;
    test_fails(nt_trainer_create(test_device(), model, data, &params, &trainer), NT_ERR_ARGUMENT,
        "the batch was 16, now 8");
    params.batch = BATCH;
    params.optimizer = NT_OPTIMIZER_ADAM;
    test_fails(nt_trainer_create(test_device(), model, data, &params, &trainer), NT_ERR_ARGUMENT,
        "the optimizer was sgd, now adam");
    params.optimizer = NT_OPTIMIZER_SGD;
    params.seed = 4;
    test_fails(nt_trainer_create(test_device(), model, data, &params, &trainer), NT_ERR_ARGUMENT,
        "the seed was 3, now 4");
    params.seed = 3;
    struct nt_model *other;
    const char *wide[] = {"units=7"};
    test_ok(nt_model_load(test_context(), nt_model_path(model), 1, wide, &other));
    test_fails(nt_trainer_create(test_device(), other, data, &params, &trainer), NT_ERR_ARGUMENT,
        "setting units was 6, now 7");
    nt_model_destroy(other);

    struct nt_training result; /* nothing is left to do, then one epoch more */
    free(toy_train(model, data, &params, &result, &count));
    ck_assert_int_eq(result.step, STEPS);
    params.epochs = 2;
    free(toy_train(model, data, &params, &result, &count));
    ck_assert_int_eq(result.step, 2 * STEPS);
    close_all();
}
END_TEST

START_TEST(checkpoints_hold_plain_names)
{
    open_all();
    struct nt_trainer_params params = {.batch = BATCH,
        .epochs = 1,
        .seed = 3,
        .optimizer = NT_OPTIMIZER_ADAMW,
        .data = "npy:x,y",
        .l1 = 1e-5,
        .clip_value = 2,
        .clip_norm = 3,
        .no_decay = "*.bias",
        .freeze = "fc.bias,fc.weight",
        .out = fixture_path("names/run")};
    size_t count;
    free(toy_train(model, data, &params, NULL, &count));
    char path[1100];
    snprintf(path, sizeof path, "%s/best.safetensors", params.out);
    struct nt_safetensors *file;
    test_ok(nt_safetensors_open(test_context(), path, &file));
    const char *names[] = {
        "conv.weight", "fc.bias", "optimizer.exp_avg.conv.weight", "optimizer.exp_avg_sq.fc.bias"};
    for (int i = 0; i < 4; i++)
        ck_assert_msg(nt_safetensors_find(file, names[i]) >= 0, "%s is missing", names[i]);
    ck_assert_int_eq(nt_safetensors_count(file), 12);
    nt_safetensors_close(file);
    struct nt_trainer_stored stored;
    test_ok(nt_trainer_read_params(test_context(), path, &stored));
    ck_assert_str_eq(stored.model, "toy");
    ck_assert_str_eq(stored.params.data, "npy:x,y");
    ck_assert_int_eq(stored.params.optimizer, NT_OPTIMIZER_ADAMW);
    ck_assert_double_eq(stored.params.l1, 1e-5);
    ck_assert_double_eq(stored.params.clip_value, 2);
    ck_assert_double_eq(stored.params.clip_norm, 3);
    ck_assert_str_eq(stored.params.no_decay, "*.bias");
    ck_assert_str_eq(stored.params.freeze, "fc.bias,fc.weight");
    ck_assert_int_eq(stored.params.batch, BATCH);
    ck_assert_int_eq(stored.setting_count, 2);
    ck_assert_int_eq(stored.step, STEPS);
    nt_trainer_stored_finish(&stored);
    close_all();
}
END_TEST

START_TEST(a_loss_that_is_not_a_number_stops)
{
    open_all();
    struct nt_trainer_params params = {.batch = BATCH,
        .epochs = 50,
        .seed = 3,
        .learning_rate = 1e20,
        .out = fixture_path("nan/run")};
    struct nt_trainer *trainer;
    test_ok(nt_trainer_create(test_device(), model, data, &params, &trainer));
    test_fails(nt_trainer_run(trainer, NULL), NT_ERR_NUMERIC, "");
    const char *message = nt_error_message(test_context());
    ck_assert_msg(strstr(message, "learning rate 1e+20") || strstr(message, "not finite"),
        "message: %s", message);
    char path[1100];
    snprintf(path, sizeof path, "%s/last.safetensors", params.out);
    ck_assert(access(path, F_OK) != 0); /* no epoch was good */
    nt_trainer_destroy(trainer);
    close_all();
}
END_TEST

START_TEST(data_that_do_not_fit)
{
    open_all();
    struct nt_shape xs = {2, {20, 5}}, ys = {1, {20}};
    float x[100];
    int32_t y[20] = {0};
    test_fill(x, 100);
    const char *x_path = fixture_path("flat-x.npy"), *y_path = fixture_path("flat-y.npy");
    test_ok(nt_npy_write(test_context(), x_path, NT_F32, &xs, x));
    test_ok(nt_npy_write(test_context(), y_path, NT_I32, &ys, y));
    char spec[2100];
    snprintf(spec, sizeof spec, "npy:%s,%s", x_path, y_path);
    struct nt_dataset *flat = toy_dataset(spec);
    struct nt_trainer_params params = {.batch = BATCH};
    struct nt_trainer *trainer;
    test_fails(nt_trainer_create(test_device(), model, flat, &params, &trainer), NT_ERR_SHAPE,
        "input input: the data give float32 5, the model takes float32 1x8x8");
    params.batch = ITEMS + 1;
    test_fails(nt_trainer_create(test_device(), model, data, &params, &trainer), NT_ERR_ARGUMENT,
        "batch 101: larger than the 100 items");
    params.batch = BATCH;
    params.nesterov = true;
    test_fails(nt_trainer_create(test_device(), model, data, &params, &trainer), NT_ERR_ARGUMENT,
        "nesterov");
    nt_dataset_close(flat);
    close_all();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trainer");
    TCase *tests = tcase_create("trainer");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, learns);
    tcase_add_test(tests, loss_parts_equal_accuracies);
    tcase_add_test(tests, waiting_for_data_is_told);
    tcase_add_test(tests, same_seed_same_bits);
    tcase_add_loop_test(
        tests, resume_gives_the_same_bits, NT_OPTIMIZER_SGD, NT_OPTIMIZER_RMSPROP_CENTERED + 1);
    tcase_add_test(tests, resume_after_a_kill);
    tcase_add_test(tests, resume_wants_the_same_training);
    tcase_add_test(tests, checkpoints_hold_plain_names);
    tcase_add_test(tests, a_loss_that_is_not_a_number_stops);
    tcase_add_test(tests, data_that_do_not_fit);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
