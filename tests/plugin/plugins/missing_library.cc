extern "C" int towpath_test_gone();
extern "C" int towpath_test_calls_gone();

int towpath_test_calls_gone() { return towpath_test_gone(); }
