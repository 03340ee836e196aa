-- ARGV: the role, the member, the lease in ms, and for each hash its value.
-- Answers for each hash what the field was before, where it was not as it is now.
local role, field, lease, answer = ARGV[1], ARGV[1] .. '/' .. ARGV[2], ARGV[3], {}
for n, it in ipairs(books) do
  local value, now = ARGV[3 + n], clock()
  local line = field .. ' ' .. lease .. ' ' .. value
  elapse(it, now)
  local at = ends(it, field)
  local known = at and at > now and redis.call('ZSCORE', it.held, line)
  local before = known or held_as(it, field)
  if not known then
    forget(it, before)
    redis.call('ZADD', it.held, 0, line)
  end
  redis.call('ZADD', it.leases, whole(now + lease), field)
  local was = redis.call('HGET', it.hash, field)
  if was ~= value then redis.call('HSET', it.hash, field, value) end
  if not known then supersede(it, role, field, #before > 0) end
  expire(it, now)
  redis.call('ZADD', it.leases, whole(now), RENEWED)
  answer[n] = { was ~= value and 1 or 0, was and was ~= value and { was } or {}, {} }
end
return answer
