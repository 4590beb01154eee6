/* SPDX-License-Identifier: MIT
 *
 * Everything public, in one header: installed as <neutra.h>.
 */
#ifndef NT_NEUTRA_H
#define NT_NEUTRA_H

#include "engine/context.h"
#include "engine/device.h"
#include "engine/expr.h"
#include "engine/primitives.h"
#include "engine/profile.h"
#include "engine/random.h"
#include "engine/tape.h"
#include "engine/tensor.h"
#include "engine/tuning.h"
#include "frontend/average_precision.h"
#include "frontend/data_info.h"
#include "frontend/dataset.h"
#include "frontend/evaluate.h"
#include "frontend/gradcheck.h"
#include "frontend/loader.h"
#include "frontend/model.h"
#include "frontend/npy.h"
#include "frontend/picture.h"
#include "frontend/safetensors.h"
#include "frontend/schedule.h"
#include "frontend/session.h"
#include "frontend/trainer.h"
#include "frontend/weights.h"

#endif
