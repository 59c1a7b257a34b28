extern "C" int towpath_test_nobody_has_this();
extern "C" int towpath_test_calls_it();

int towpath_test_calls_it() { return towpath_test_nobody_has_this(); }
