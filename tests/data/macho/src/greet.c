#include <stdio.h>

int greet_count = 0;
_Thread_local int greet_thread = 7;
__attribute__((weak)) int greet_weak(void) { return 1; }

int greet(const char *name) {
    greet_thread++;
    return printf("hello %s from %s\n", name, "/opt/placeholder_placeholder_placeholder_placeholder/lib") + greet_count++;
}
