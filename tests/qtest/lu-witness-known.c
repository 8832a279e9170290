/*
 * The differences between QEMU's IOMMUs and ours that are known.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "lu-witness.h"

WitnessKnown witness_known[1];
const unsigned witness_n_known = 0;

bool witness_explain(const WitnessStep *step, Witness stock, GString *names)
{
    for (unsigned i = 0; i < witness_n_known; i++) {
        WitnessKnown *k = &witness_known[i];

        if (g_str_equal(k->arch, qtest_get_arch()) && k->fix(step, &stock)) {
            k->seen++;
            g_string_append_printf(names, " %s", k->id);
        }
    }
    return !memcmp(&stock, step->ours, sizeof(stock));
}
