extern "C" int towpath_test_gone();

int towpath_test_gone() { return 0; }
