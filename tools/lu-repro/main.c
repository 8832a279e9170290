/*
 * lu-repro: plays known bugs of a live update by their names.  Each thing it
 * does is a subcommand, a row here and a function elsewhere.
 * docs/lu-repro.rst is its manual.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "repro.h"

typedef struct Command {
    const char *name, *arguments, *what;
    int (*fn)(int argc, char **argv);
} Command;

static const Command commands[] = {
    { "list", "[PATTERN]", "The bugs, by number", repro_list },
    { "show", "NAME|FILE", "One of them: where it is from, its steps",
      repro_show },
    { "run", "NAME|PATTERN|FILE...|--all", "Play them, and their repairs",
      repro_run },
    { "new", "NAME", "Write a file to begin with", repro_new },
    { "replay", "FILE", "Judge a record again, without a guest", repro_replay },
    { "steps", "", "What a step can be", repro_steps },
};

static void help(FILE *to)
{
    fprintf(to, "Usage: lu-repro COMMAND [OPTION...] [ARGUMENT...]\n\n"
            "Plays known bugs of an IOMMU live update on the emulated IOMMUs."
            "\n\nCommands (each has --help):\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        g_autofree char *usage = g_strdup_printf("%s %s", commands[i].name,
                                                 commands[i].arguments);

        fprintf(to, "  %-33s %s\n", usage, commands[i].what);
    }
    fprintf(to, "\nExit status: 0 as the catalogue says, 1 not so, "
            "3 could not run.\n");
}

int main(int argc, char **argv)
{
    error_init(argv[0]);
    if (argc < 2) {
        help(stderr);
        return REPRO_CANNOT_RUN;
    }
    if (g_str_equal(argv[1], "--help") || g_str_equal(argv[1], "-h")) {
        help(stdout);
        return REPRO_PASS;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (g_str_equal(argv[1], commands[i].name)) {
            g_autofree char *name = g_strdup_printf("lu-repro %s", argv[1]);

            g_set_prgname(name);
            return commands[i].fn(argc - 1, argv + 1);
        }
    }
    error_report("there is no command '%s'; lu-repro --help lists them",
                 argv[1]);
    return REPRO_CANNOT_RUN;
}
