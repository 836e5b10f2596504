int host_add(int, int);
int facade(void) { return host_add(1, 2); }
