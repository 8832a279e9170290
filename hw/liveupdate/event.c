/*
 * Events: who is told of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/liveupdate/event.h"

const LuEventSink *lu_event_sink;
