-- ARGV: the role, the member, the lease in ms, and for each hash its value.
-- Answers for each hash what the field was before, where it was not as it is now.
local role, field, lease, answer = ARGV[1], ARGV[1] .. '/' .. ARGV[2], ARGV[3], {}
for n, it in ipairs(books) do
  local value, now = ARGV[3 + n], clock()
  local line = field .. ' ' .. lease .. ' ' .. value
  elapse(it, now)
  local at = ends(it, field)
  local known = at and at > now and redis.call('ZSCORE', it.held, line)
  local was = redis.call('HGET', it.hash, field)
  if was ~= value then note(it, field, value, was and 0 or 1) end
  local before = known and {} or held_as(it, field)
  local superseded = known and {} or supersede(it, role, field, #before > 0)
  commit(it, VERB)
  if not known then
    forget(it, before)
    redis.call('ZADD', it.held, 0, line)
    forget(it, superseded)
  end
  redis.call('ZADD', it.leases, whole(now + lease), field)
  expire(it, now)
  redis.call('ZADD', it.leases, whole(now), RENEWED)
  answer[n] = { was ~= value and 1 or 0, was and was ~= value and { was } or {}, {} }
end
return answer
