/*
 * What came of the runs of "lu-repro run": a table for people, KTAP and JUnit
 * for programs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "run.h"

const char *repro_arm_name(const Run *run)
{
    return run->play.arm == REPRO_TWIN ? "twin" : "bug";
}

void repro_print_ktap(const GPtrArray *runs)
{
    printf("KTAP version 1\n1..%u\n", runs->len);
    for (guint i = 0; i < runs->len; i++) {
        const Run *run = g_ptr_array_index(runs, i);

        if (run->wrong) {
            printf("# %s\n", run->wrong);
        }
        printf("%sok %u %s.%s.%s\n", run->wrong ? "not " : "", i + 1,
               run->play.entry->name, run->play.kind->name,
               repro_arm_name(run));
    }
}

unsigned repro_count_wrong(const GPtrArray *runs)
{
    unsigned n = 0;

    for (guint i = 0; i < runs->len; i++) {
        n += ((Run *)g_ptr_array_index(runs, i))->wrong != NULL;
    }
    return n;
}

bool repro_write_junit(const GPtrArray *runs, const char *path, Error **errp)
{
    g_autoptr(GString) xml = g_string_new("<?xml version=\"1.0\" "
        "encoding=\"UTF-8\"?>\n<testsuites>\n");
    g_autoptr(GError) error = NULL;

    g_string_append_printf(xml, "  <testsuite name=\"lu-repro\" tests=\"%u\" "
                           "failures=\"%u\">\n", runs->len,
                           repro_count_wrong(runs));
    for (guint i = 0; i < runs->len; i++) {
        const Run *run = g_ptr_array_index(runs, i);
        g_autofree char *why = g_markup_escape_text(run->wrong ?: "", -1);

        g_string_append_printf(xml, "    <testcase classname=\"lu-repro.%s\" "
                               "name=\"%s.%s\"", run->play.entry->name,
                               run->play.kind->name, repro_arm_name(run));
        if (run->wrong) {
            g_string_append_printf(xml, ">\n      <failure message=\"%s\"/>\n"
                                   "    </testcase>\n", why);
        } else {
            g_string_append(xml, "/>\n");
        }
    }
    g_string_append(xml, "  </testsuite>\n</testsuites>\n");
    if (!g_file_set_contents(path, xml->str, -1, &error)) {
        error_setg(errp, "%s", error->message);
        return false;
    }
    return true;
}

/* A line for each entry and IOMMU, and one for all that is not as it should. */
void repro_print_table(const GPtrArray *runs)
{
    unsigned entries = 0;

    printf("%-26s %-7s %-16s %5s  %s\n", "entry", "iommu", "rule", "kinds",
           "as the catalogue says");
    for (guint i = 0; i < runs->len; ) {
        const Run *first = g_ptr_array_index(runs, i);
        const char *iommu = repro_iommu_of(first->play.kind);
        g_autofree char *rules = repro_entry_rules(first->play.entry,
                                                   first->play.kind);
        g_autoptr(GString) wrong = g_string_new("");
        g_autoptr(GHashTable) kinds = g_hash_table_new(NULL, NULL);

        for (; i < runs->len; i++) {
            const Run *run = g_ptr_array_index(runs, i);

            if (run->play.entry != first->play.entry ||
                repro_iommu_of(run->play.kind) != iommu) {
                break;
            }
            g_hash_table_add(kinds, (void *)run->play.kind);
            if (run->wrong) {
                g_string_append_printf(wrong, "    %s, %s: %s\n",
                                       run->play.kind->name,
                                       repro_arm_name(run), run->wrong);
            }
        }
        printf("%-26s %-7s %-16s %5u  %s\n%s", first->play.entry->name, iommu,
               rules, g_hash_table_size(kinds), wrong->len ? "NO" : "yes",
               wrong->str);
        entries++;
    }
    printf("%u runs of %u rows: %u not as the catalogue says\n", runs->len,
           entries, repro_count_wrong(runs));
}
