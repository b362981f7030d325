/* The least of a C library: memory and moving bytes. There is no system below it: a component has
   its linear memory and nothing else. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES 65536u
#define CLASSES 28 /* of 16 bytes, 32, 64, … 2 GiB */

/* Stands before each piece of memory. As large as the strictest alignment. */
typedef union head {
  struct {
    union head *next;   /* while free */
    unsigned size_class; /* always */
  } part;
  max_align_t align;
  char bytes[16];
} head;

extern unsigned char __heap_base;

static head *free_lists[CLASSES];
static uintptr_t top, end;

static size_t bytes_of(unsigned size_class) { return (size_t)16 << size_class; }

static unsigned class_of(size_t size) {
  unsigned size_class = 0;
  while (size_class < CLASSES && bytes_of(size_class) < size) size_class++;
  return size_class;
}

/* More memory from the end of what there is; NULL if the limit is reached. */
static void *extend(size_t size) {
  if (top == 0) {
    top = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    end = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE_BYTES;
  }
  if (size > end - top) {
    size_t pages = (size - (end - top) + PAGE_BYTES - 1) / PAGE_BYTES;
    if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) return NULL;
    end += pages * PAGE_BYTES;
  }
  void *memory = (void *)top;
  top += size;
  return memory;
}

void *malloc(size_t size) {
  unsigned size_class = class_of(size);
  if (size_class >= CLASSES) return NULL;
  head *found = free_lists[size_class];
  if (found != NULL) {
    free_lists[size_class] = found->part.next;
  } else {
    found = extend(sizeof(head) + bytes_of(size_class));
    if (found == NULL) return NULL;
    found->part.size_class = size_class;
  }
  return found + 1;
}

void free(void *memory) {
  if (memory == NULL) return;
  head *freed = (head *)memory - 1;
  freed->part.next = free_lists[freed->part.size_class];
  free_lists[freed->part.size_class] = freed;
}

void *calloc(size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  void *memory = malloc(count * size);
  return memory == NULL ? NULL : memset(memory, 0, count * size);
}

void *realloc(void *old, size_t size) {
  if (old == NULL) return malloc(size);
  size_t room = bytes_of(((head *)old - 1)->part.size_class);
  if (size <= room) return old;
  void *memory = malloc(size);
  if (memory == NULL) return NULL;
  memcpy(memory, old, room);
  free(old);
  return memory;
}

void abort(void) { __builtin_trap(); }

/* Volatile, or the compiler would make a call to the function itself out of the loop. */

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  volatile unsigned char *target = to;
  const unsigned char *source = from;
  for (size_t i = 0; i < size; i++) target[i] = source[i];
  return to;
}

void *memmove(void *to, const void *from, size_t size) {
  volatile unsigned char *target = to;
  const unsigned char *source = from;
  if ((uintptr_t)to < (uintptr_t)from) return memcpy(to, from, size);
  for (size_t i = size; i > 0; i--) target[i - 1] = source[i - 1];
  return to;
}

void *memset(void *to, int byte, size_t size) {
  volatile unsigned char *target = to;
  for (size_t i = 0; i < size; i++) target[i] = (unsigned char)byte;
  return to;
}

int memcmp(const void *one, const void *other, size_t size) {
  const unsigned char *a = one, *b = other;
  for (size_t i = 0; i < size; i++) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

size_t strlen(const char *text) {
  const volatile char *at = text;
  size_t length = 0;
  while (at[length] != 0) length++;
  return length;
}
