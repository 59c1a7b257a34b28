extern "C" int towpath_is_not_here();

int towpath_is_not_here() { return 0; }
