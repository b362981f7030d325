/* What a component in C has of the standard library; libc.c is behind it. */
#ifndef REPLICANT_STDLIB_H
#define REPLICANT_STDLIB_H

#include <stddef.h>

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);
void free(void *memory);
_Noreturn void abort(void);

#endif
