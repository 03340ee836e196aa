-- ARGV: the field of a holder that has just renewed, its nonce, and what is due: a field, or a role.
-- KEYS are those of the one that is due.
local it, now, due = books[1], clock(), ARGV[3]
local witness = record(it, ARGV[1])
if not witness or witness.nonce ~= ARGV[2] then return 0 end
local role = string.match(due, '^[^/]*')
local one = due ~= role and record(it, due) or nil
it.term = term_of(it, role)
if due == role then
  -- A term is forgotten when nobody holds the role any more.
  if not it.term or call('ZCARD', it.times) == 0 then
    call('HDEL', it.held, role)
    call('ZREM', it.expiring, role)
  else
    call('ZADD', it.expiring, whole(now + REMEMBERED), role)
  end
  return 1
end
local bound = one and tonumber(one.bound)
if not one then
  call('ZREM', it.expiring, due)
  return 1
end
one.field = due
if one.state == 'ended' then
  forget(it, { one })
elseif not bound or one.state == 'standby' then
  call('ZREM', it.expiring, due)
elseif one.state == 'kept' then
  bury(it, { one }, role, now)
else
  local renewed = math.min(now, tonumber(call('ZSCORE', it.times, due) or now))
  local width = window(witness.lease)
  -- As if the lease had been renewed until the bound was over.
  one.renewed = renewed + bound
  if dead(one, now, witness.since, width) then
    bury(it, { one }, role, now)
  else
    local last = math.max(one.renewed, witness.since) + math.max(one.lease, width)
    call('ZADD', it.expiring, whole(last + 1), due)
  end
end
return 1
