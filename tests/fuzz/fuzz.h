/* What all fuzz targets share: a promise that is checked in every build, and a cursor that takes an
 * input apart. A target is one file; libFuzzer calls its only function with any bytes.
 *
 * Canary: built with FUZZ_CANARY, a target replaces one function of the product by its own
 * __wrap_NAME (linker option --wrap), which has a bug. tests/fuzz/run --canary demands that a
 * promise notices it. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef FUZZ_CANARY
#define FUZZ_BUILD "canary"
#else
#define FUZZ_BUILD "fuzz"
#endif

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: broken promise: %s\n", __FILE__, __LINE__, FUZZ_BUILD,     \
                    #condition);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct input {
    const uint8_t *data;
    size_t size;
};

/* The next bytes of the input; all that is left when there are fewer. */
static inline struct input input_take(struct input *input, size_t size)
{
    struct input taken = {input->data, size < input->size ? size : input->size};
    if (taken.size > 0)
        input->data += taken.size;
    input->size -= taken.size;
    return taken;
}

/* The next number, little-endian; what is missing is zero. */
static inline uint32_t input_number(struct input *input, size_t size)
{
    struct input taken = input_take(input, size);
    uint32_t number = 0;
    for (size_t i = 0; i < taken.size; i++)
        number |= (uint32_t)taken.data[i] << 8 * i;
    return number;
}

/* A copy that ends where the sanitizer watches. Never NULL; the caller frees it. */
static inline uint8_t *input_copy(struct input input)
{
    uint8_t *copy = malloc(input.size > 0 ? input.size : 1);
    PROMISE(copy != NULL);
    if (input.size > 0)
        memcpy(copy, input.data, input.size);
    return copy;
}

#endif
