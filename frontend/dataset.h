/* SPDX-License-Identifier: MIT
 *
 * Labelled data behind one interface. A spec names the kind and where it lies:
 *
 *   fashion-mnist, mnist  the four idx files, where the system installs them, in $NEUTRA_DATA_DIR
 *                         or in params.data_dir
 *   idx:DIR               the same files in DIR, plain or gzip
 *   cifar10:DIR           CIFAR-10 binary batches: data_batch_*.bin or train*.bin, test*.bin
 *   images:DIR            one folder of JPEG and PNG pictures per class; in DIR/train, DIR/val and
 *                         DIR/test if there is a DIR/train
 *   boxes:DIR             pictures with boxes of objects, in the folders of Pascal VOC: JPEGImages,
 *                         Annotations and ImageSets/Main/train.txt (val.txt, test.txt). Pictures
 *                         are resized to the model's input; targets are floats, N x 5: class, x1,
 *                         y1, x2, y2 in pixels of the input, then rows of class -1
 *   captions:DIR          pictures with sentences about them: DIR/captions.txt (.tsv, .csv), as
 *                         Flickr8k's: a picture of DIR or DIR/images, a tab or comma, a caption in
 *                         each line. Pictures get the shape of the model's input: the middle,
 *                         resized. Targets are numbers of words, 0 (the end), then -1; a caption
 *                         that is longer than the model's target is cut. captions:DIR,5: words that
 *                         are there 5 times (default 2), others are <unknown>
 *   segmentation:DIR      pictures and masks of the same names in DIR/train/image and
 *                         DIR/train/label (or images, labels, masks), or in DIR/image and
 *                         DIR/label; DIR/val and DIR/test likewise, where they have masks. Gray
 *                         values of a mask are classes, 255: does not count; a mask of other grays
 *                         than these is black and white, parted at 128. An item is a window of the
 *                         model's input size; evaluation cuts each picture into such windows
 *   npy:X.npy,Y.npy       X of any shape, items first; Y integers (a class for each item, or for
 *                         each place of it) or floats (targets)
 *   text:FILE             UTF-8: items are consecutive windows of characters, as tokens, and the
 *                         target of each place is the character that follows. Held out is the end
 *   csv:FILE              a table: fields parted by commas, semicolons or tabs; a header or none.
 *                         A row is an item of the numbers in all columns but the last, or but that
 *                         of csv:FILE,COLUMN, which is told: as a number where the model's target
 *                         is one, {1}, else as a class, whose name is the text. With one column of
 *                         numbers and a model whose target are numbers it is read as series:
 *   series:FILE.csv       a time series: the last numeric column, or series:FILE.csv,COLUMN. Items
 *                         are windows, one for each place, targets the values that follow; both
 *                         are normalised by mean and deviation of the training part. Held out is
 *                         the end
 *   toy:NAME              points of the plane in two or three classes: toy:xor, toy:ring,
 *                         toy:modes, toy:spiral; 2,000 for training and 1,000 for tests
 *
 * Values: bytes become [0, 1], then (value - mean) / deviation. By default that is 0.2860, 0.3530
 * for fashion-mnist, 0.1307, 0.3081 for mnist, 0.5, 0.5 for idx and segmentation, CIFAR-10's and
 * ImageNet's usual triples for cifar10 and images. npy arrays of uint8 become [0, 1], others are
 * taken as they are; both are normalised only on request.
 *
 * Thread-safety: an open dataset is read-only: any number of threads, each with its own context.
 */
#ifndef NT_FRONTEND_DATASET_H
#define NT_FRONTEND_DATASET_H

#include "engine/random.h"
#include "engine/tensor.h"
#include "frontend/picture.h"

#ifdef __cplusplus
extern "C" {
#endif

struct nt_dataset;

/* With validation_share s > 0, s of the training part is set aside, the same items for the
 * same seed: VALIDATION is these, TRAIN the others. With 0, VALIDATION is the validation part, an
 * error where there is none. TEST is the test part. Data without a test part are all training part;
 * their TEST is the share set aside, or everything when it is 0. */
enum nt_split { NT_SPLIT_TRAIN, NT_SPLIT_VALIDATION, NT_SPLIT_TEST };

/* What data come with besides the training part: DIR/test and DIR/val. */
struct nt_dataset_parts {
    bool test, validation;
};
/* Looks at the names of folders alone. A spec of no known kind has neither. */
NT_API struct nt_dataset_parts nt_dataset_find_parts(const char *spec);

/* What training may change at random; or-ed together. */
enum nt_augment {
    NT_AUGMENT_DEFAULT = 0, /* crop and flip for images: and segmentation:, else none */
    NT_AUGMENT_NONE = 1,
    NT_AUGMENT_FLIP = 2, /* left and right, half of the items */
    /* images: a box of 8 to 100 % of the area and 3:4 to 4:3, resized ("Inception crop");
     * segmentation: a window anywhere in the picture; others: shifted by up to an eighth of the
     * side, black outside */
    NT_AUGMENT_CROP = 4
};

struct nt_dataset_params {
    const char *data_dir; /* where fashion-mnist and mnist lie; NULL: the usual places */
    enum nt_split split;
    double validation_share; /* [0, 1) */
    uint64_t seed;           /* of the validation share */
    int image_size;          /* images: side of the square given, 0: 224 */
    int resize;              /* images: what the shorter side is brought to before the middle
                                is cut out, 0: 256/224 of image_size */
    int channels;            /* images: 1 or 3, 0: 3 */
    bool bgr;                /* pictures of three channels: blue, green, red */
    /* By channel, in units of [0, 1]; the first alone when all channels share it.
     * deviation[0] == 0: the kind's own. */
    float mean[3], deviation[3]; /* of red, green, blue, also with bgr */
    unsigned augment;            /* enum nt_augment */
    /* One item and target as the model takes them, for data that have no size of their own:
     * segmentation (1x256x256 or 3x256x256; its default), text (64 characters), series (24 values,
     * and 1 to forecast). Rank 0: the default. */
    struct nt_shape item, target;
    enum nt_dtype item_dtype; /* npy: NT_I32 keeps whole numbers as tokens */
    /* text, captions, csv: the character, word or class of each number; NULL: those of the file
     * in order. */
    int class_count;
    const char *const *class_names;
};

struct nt_dataset_info {
    const char *kind;               /* "images" */
    struct nt_shape item;           /* of one item, without the batch: C,H,W for pictures */
    enum nt_dtype item_dtype;       /* NT_F32; NT_I32 for tokens */
    int64_t count;                  /* items of this split */
    bool continues;                 /* an item goes on where the one before ended: text */
    bool forecasts;                 /* items are windows of a series, targets what follows them */
    int classes;                    /* 0: targets are float arrays */
    int box_classes;                /* boxes: classes of the objects */
    const char *const *class_names; /* NULL: unknown */
    enum nt_dtype target_dtype;     /* NT_I32 for classes, NT_F32 */
    struct nt_shape target;         /* of one item: scalar for one class, else by place */
    float mean[3], deviation[3];    /* as applied; 0 and 1 when none is */
    bool bgr;                       /* channels in the order blue, green, red */
    double crop;                    /* images: side of the middle square that is used, as a share
                                       of the shorter side; 0: none is cut out */
};

/* params may be NULL. */
NT_API enum nt_status nt_dataset_open(struct nt_context *ctx, const char *spec,
    const struct nt_dataset_params *params, struct nt_dataset **out);
NT_API void nt_dataset_close(struct nt_dataset *dataset);
NT_API const struct nt_dataset_info *nt_dataset_get_info(const struct nt_dataset *dataset);

/* One item: x in the given layout (C,H,W or H,W,C), floats or int32_t tokens; y int32_t classes
 * (-1: does not count) or floats. With random, augmented by its numbers; NULL: never changed. An
 * unreadable picture is NT_ERR_FILE, NT_ERR_FORMAT or NT_ERR_UNSUPPORTED. */
NT_API enum nt_status nt_dataset_item(struct nt_context *ctx, const struct nt_dataset *dataset,
    int64_t index, struct nt_random *random, enum nt_layout layout, void *x, void *y);

/* Path of a picture, "item 17" otherwise; returns text. */
NT_API const char *nt_dataset_item_name(
    const struct nt_dataset *dataset, int64_t index, char *text, size_t size);

/* An item of 1 or 3 channels as one would look at it: normalisation undone. */
NT_API enum nt_status nt_dataset_picture(struct nt_context *ctx, const struct nt_dataset *dataset,
    int64_t index, struct nt_picture *out);

#ifdef __cplusplus
}
#endif
#endif
