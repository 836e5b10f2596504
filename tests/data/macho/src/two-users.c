int host_add(int, int); int second(void);
int two_users(void) { return host_add(1, second()); }
