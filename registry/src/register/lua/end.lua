-- ARGV: the role and the member, which is held no more. It stays if it is the last of its role,
-- until somebody else holds the role.
local role, field, answer = ARGV[1], ARGV[1] .. '/' .. ARGV[2], {}
local refusal = refused(books)
if refusal then return refusal end
for n, it in ipairs(books) do
  local lines, now = held_as(it, field), clock()
  elapse(it, now)
  call('ZREM', it.leases, field)
  call('ZADD', it.leases, whole(now), RENEWED)
  local all = held_of(it, role)
  local others = renewed(all, now, it) > 0 or has_plain(it, role, all, now, false)
  if others then withdraw(it, lines) end
  commit(it, VERB)
  forget(it, others and lines or {})
  answer[n] = { others and 1 or 0, others and { field } or {}, {} }
end
return answer
