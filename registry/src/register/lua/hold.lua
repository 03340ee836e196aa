-- ARGV: the role, the member, the lease in ms, and for each hash its value.
-- Answers for each hash what the field was before, where it was not as it is now.
local role, field, lease, answer = ARGV[1], ARGV[1] .. '/' .. ARGV[2], ARGV[3], {}
local now, changes, refusal = clock(), false, nil
for n, it in ipairs(books) do
  it.value = ARGV[3 + n]
  it.line = field .. ' ' .. lease .. ' ' .. it.value
  elapse(it, now)
  local at = ends(it, field)
  it.known = at and at > now and call('ZSCORE', it.held, it.line)
  it.was = call('HGET', it.hash, field)
  changes = changes or not it.known or it.was ~= it.value
end
-- A mere renewal does not touch the log, and does not ask for it.
if changes then refusal = refused(books) end
if refusal then return refusal end
for n, it in ipairs(books) do
  local was, value = it.was, it.value
  if was ~= value then note(it, field, value, was and 0 or 1) end
  if it.known then
    commit(it, VERB)
  else
    local before = held_as(it, field)
    local superseded = supersede(it, role, field, #before > 0)
    commit(it, VERB)
    forget(it, before)
    call('ZADD', it.held, 0, it.line)
    forget(it, superseded)
  end
  call('ZADD', it.leases, whole(now + lease), field, whole(now), RENEWED)
  refusal = expire(it, now) or refusal
  answer[n] = { was ~= value and 1 or 0, was and was ~= value and { was } or {}, {} }
end
return refusal or answer
