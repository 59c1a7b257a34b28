#pragma once

// The examples, each in a file of its own name.
namespace tour {

void two_cpu_bound();
void pool_map();
void queue_pill();
void what_it_costs();
void sleep_join();
void factorials();
void ints_and_lists();
void two_at_a_time();
void lock_file();
void good_practice();
void five_workers();
void queue_result();
void event();
void exceptions();
void signals();
void condition_semaphore();
void counter_each();
void main_guard();
void subclass_run();
void two_consumers();
void duplex_pipe();
void pool_worker_names();
void read_write_queues();
void start_methods();
void three_methods();
void any_values();
void one_end_two_users();
void hello_lines();
void value_array();
void manager();
void own_class();
void remote_manager();
void join_before_get();
void guidelines();
void logging_errors();
void shared_memory();

}  // namespace tour
