/*
 * Trace points of this directory, generated from its trace-events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "trace/trace-lu_hw_i386.h"
