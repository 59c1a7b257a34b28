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
  std::map<uint64_t, Reference> references;  // end behind the lock
  {
    const std::lock_guard lock(mutex_);
    const auto found = clients_.find(client.id);
    if (found == clients_.end()) return;
    found->second.process->left = true;
    references = std::move(found->second.references);
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

void ObjectTable::number(const std::shared_ptr<Referent>& object) {
  const std::lock_guard lock(mutex_);
  if (object->id_ != 0) return;
  object->id_ = ++last_;
  objects_.emplace(object->id_, object);
  if (objects_.size() < swept_at_) return;
  std::erase_if(objects_, [](const auto& each) { return each.second.expired(); });
  swept_at_ = 64 + 2 * objects_.size();
}

uint64_t ObjectTable::add(const std::shared_ptr<Referent>& object, const ClientProcess& client) {
  number(object);
  take(object, client);
  return object->id();
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
  std::shared_ptr<Referent> last;  // ends behind the lock
  const std::lock_guard lock(mutex_);
  const auto found = clients_.find(client.id);
  if (found == clients_.end()) return;
  const auto reference = found->second.references.find(object);
  if (reference == found->second.references.end() || --reference->second.proxies > 0) return;
  last = std::move(reference->second.object);
  found->second.references.erase(reference);
}

void ObjectTable::keep_for_transit(const std::shared_ptr<Referent>& object) {
  if (transit_ <= Millis{0}) return;
  const std::lock_guard lock(mutex_);
  in_transit_.insert_or_assign(object->id(), Leaving{object, Clock::now() + transit_});
}

void ObjectTable::sweep() {
  Objects arrived;  // end behind the lock
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  std::erase_if(in_transit_, [&](auto& each) {
    if (each.second.at > now) return false;
    arrived.push_back(std::move(each.second.object));
    return true;
  });
}

void ObjectTable::publish(const std::string& name, const std::shared_ptr<Referent>& object) {
  const std::lock_guard lock(mutex_);
  if (!names_.emplace(name, object).second)
    throw Invalid(format("\"{}\" is published already: unpublish it first", name));
}

bool ObjectTable::unpublish(const std::string& name) {
  std::shared_ptr<Referent> object;  // ends behind the lock
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(name);
  if (found == names_.end()) return false;
  object = std::move(found->second);
  names_.erase(found);
  return true;
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
