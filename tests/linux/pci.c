/*
 * PCI functions as sysfs shows them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "guest.h"

static bool attribute_is(const char *bdf, const char *name, unsigned int value)
{
    char path[384], text[32], wanted[32];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
    snprintf(wanted, sizeof(wanted), "0x%04x", value);
    return !read_file(path, text, sizeof(text)) && !strcmp(text, wanted);
}

bool pci_find(unsigned int vendor, unsigned int device, char *bdf,
              size_t size)
{
    DIR *dir = opendir("/sys/bus/pci/devices");
    struct dirent *entry;

    bdf[0] = '\0';
    while (dir && (entry = readdir(dir))) {
        if (attribute_is(entry->d_name, "vendor", vendor) &&
            attribute_is(entry->d_name, "device", device)) {
            snprintf(bdf, size, "%.31s", entry->d_name);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return bdf[0];
}
