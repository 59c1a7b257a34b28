// The table of the tour, in reading order.
#include "pipelines/tour/examples.h"

#include "pipelines/tour/tour.h"

namespace tour {

std::span<const Example> examples() {
  static constexpr Example kAll[] = {
      {"two_cpu_bound", "two processes that compute, at the same time", &two_cpu_bound},
      {"pool_map", "a pool maps a function over numbers, in input order", &pool_map},
      {"queue_pill", "lines of text through a queue, and the pill that ends it", &queue_pill},
      {"what_it_costs", "what processes don't share; what starts and messages cost",
       &what_it_costs},
      {"sleep_join", "join waits for the child", &sleep_join},
      {"factorials", "three children, each with its argument, at the same time", &factorials},
      {"ints_and_lists", "numbers through a queue, a list of several types by pipe",
       &ints_and_lists},
      {"two_at_a_time", "four tasks in a pool of two workers", &two_at_a_time},
      {"lock_file", "five processes append to one file, under a lock", &lock_file},
      {"good_practice", "crashes, children that were not joined, small tasks, the log",
       &good_practice},
      {"five_workers", "start all, then join all", &five_workers},
      {"queue_result", "a result through a queue: get first, join second", &queue_result},
      {"event", "one process waits for an event that another sets", &event},
      {"exceptions", "uncaught: exit code and trace; caught: by queue and future", &exceptions},
      {"signals", "SIGINT is the parent's business; SIGTERM drains who asks", &signals},
      {"condition_semaphore", "so many permits; waiting until something is so",
       &condition_semaphore},
      {"counter_each", "threads share a counter, processes don't", &counter_each},
      {"main_guard", "a child never runs the rest of main; without init, an error", &main_guard},
      {"subclass_run", "a task as a class; alive or not; ended by force", &subclass_run},
      {"two_consumers", "each message goes to one of two consumers", &two_consumers},
      {"duplex_pipe", "request and reply; the end of the stream", &duplex_pipe},
      {"pool_worker_names", "tasks know the name of their worker", &pool_worker_names},
      {"read_write_queues", "one queue of work, one of results, a pill for each worker",
       &read_write_queues},
      {"start_methods", "the program's start method, and contexts beside it", &start_methods},
      {"three_methods", "what a child inherits; a static program; what a killed one leaves",
       &three_methods},
      {"any_values", "lists, nothing, text: equal at the other end", &any_values},
      {"one_end_two_users", "two users of one end of a pipe", &one_end_two_users},
      {"hello_lines", "ten processes print lines that stay whole", &hello_lines},
      {"value_array", "a number, an array and a struct in shared memory", &value_array},
      {"manager", "a dict and a list that processes change together", &manager},
      {"own_class", "objects of a class of your own in a manager", &own_class},
      {"remote_manager", "the same over TCP, for who knows the key", &remote_manager},
      {"join_before_get", "a megabyte is put, and the process joined first", &join_before_get},
      {"guidelines", "zombies, stdin, globals, and what force leaves behind", &guidelines},
      {"logging_errors", "the log's form; errors by what the caller can do", &logging_errors},
      {"shared_memory", "memory by name, and a list in it", &shared_memory},
  };
  return kAll;
}

}  // namespace tour
