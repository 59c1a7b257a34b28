#include "towpath/shared/object_table.h"

#include "towpath/base/error.h"
#include "towpath/base/format.h"

namespace towpath::managed {

std::shared_ptr<ClientProcess> ObjectTable::enter(uint64_t client) {
  const std::lock_guard lock(mutex_);
  auto& entry = clients_[client];
  if (entry.process != nullptr)
    throw Invalid(format("a client of the number {} is here already", client));
  entry.process = std::make_shared<ClientProcess>(client);
  return entry.process;
}

std::shared_ptr<ClientProcess> ObjectTable::find_client(uint64_t client) {
  const std::lock_guard lock(mutex_);
  const auto found = clients_.find(client);
  if (found == clients_.end()) throw Closed("a call of a client whose lease has ended");
  return found->second.process;
}

void ObjectTable::leave(const ClientProcess& client) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = clients_.find(client.id);
    if (found == clients_.end()) return;
    found->second.process->left = true;
    clients_.erase(found);
  }
  for (const auto& object : living()) object->forget(client);
}

ObjectTable::Objects ObjectTable::living() {
  const std::lock_guard lock(mutex_);
  Objects all;
  all.reserve(objects_.size());
  for (const auto& [id, object] : objects_) {
    if (auto living = object.lock()) all.push_back(std::move(living));
  }
  return all;
}

std::shared_ptr<Referent> ObjectTable::add(std::shared_ptr<Referent> object) {
  Referent* const it = object.get();
  const std::shared_ptr<Referent> added(it, [this, object = std::move(object)](Referent*) mutable {
    ending_.end(std::move(object));
  });
  const std::lock_guard lock(mutex_);
  added->id_ = ++last_;
  objects_.emplace(added->id_, added);
  if (objects_.size() >= swept_at_) {
    std::erase_if(objects_, [](const auto& each) { return each.second.expired(); });
    swept_at_ = 64 + 2 * objects_.size();
  }
  return added;
}

std::shared_ptr<Referent> ObjectTable::find(uint64_t object) {
  const std::lock_guard lock(mutex_);
  if (const auto found = objects_.find(object); found != objects_.end()) {
    if (auto living = found->second.lock()) return living;
  }
  throw Closed(
      format("object {} is gone: it ended with its last proxy; keep one until the receiver has its "
             "own",
             object));
}

void ObjectTable::take(const std::shared_ptr<Referent>& object, const ClientProcess& client) {
  const std::lock_guard lock(mutex_);
  const auto found = clients_.find(client.id);
  if (found == clients_.end()) throw CallerGone{};
  Reference& reference = found->second.references[object->id()];
  reference.object = object;
  ++reference.proxies;
}

void ObjectTable::drop(uint64_t object, const ClientProcess& client) {
  const std::lock_guard lock(mutex_);
  const auto found = clients_.find(client.id);
  if (found == clients_.end()) return;
  const auto reference = found->second.references.find(object);
  if (reference == found->second.references.end() || --reference->second.proxies > 0) return;
  found->second.references.erase(reference);
}

void ObjectTable::keep_for_transit(const std::shared_ptr<Referent>& object) {
  if (transit_ <= Millis{0}) return;
  const std::lock_guard lock(mutex_);
  in_transit_.insert_or_assign(object->id(), Leaving{object, Clock::now() + transit_});
}

void ObjectTable::sweep() {
  const std::lock_guard lock(mutex_);
  std::erase_if(in_transit_,
                [now = Clock::now()](const auto& each) { return each.second.at <= now; });
}

void ObjectTable::publish(const std::string& name, const std::shared_ptr<Referent>& object) {
  const std::lock_guard lock(mutex_);
  if (!names_.emplace(name, object).second)
    throw Invalid(format("\"{}\" is published already: unpublish it first", name));
}

bool ObjectTable::unpublish(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return names_.erase(name) > 0;
}

std::shared_ptr<Referent> ObjectTable::published(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = names_.find(name); found != names_.end()) return found->second;
  std::string all;
  for (const auto& [each, object] : names_) all += (all.empty() ? "" : ", ") + each;
  throw Invalid(format("nothing is published as \"{}\"; published are: {}", name,
                       all.empty() ? "none" : all));
}

size_t ObjectTable::size() { return living().size(); }

}  // namespace towpath::managed
