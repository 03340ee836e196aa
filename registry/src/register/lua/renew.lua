-- KEYS: four for each hash: itself, what is held, the times of the role, and what expires.
-- ARGV: the field, the holder's nonce, and for each hash its value.
-- The renewal of one who holds, or stands by, as all is well: it moves a time, and changes nothing
-- else. 1 if it did, or who holds the role that it stands by for; 0 if there is more to do, which
-- hold.lua does.
local call, field, nonce, now, answer = redis.call, ARGV[1], ARGV[2], clock(), 1
for n = 1, #KEYS / 4 do
  local hash, held, times, expiring = unpack(KEYS, 4 * n - 3, 4 * n)
  local value, text = ARGV[2 + n], call('HGET', held, field)
  if not text then return 0 end
  local state, whose, lease = string.match(text, '^(%l+) (%x+) (%d+) ')
  if whose ~= nonce or string.sub(text, -#value - 1) ~= ' ' .. value then return 0 end
  if state == 'standby' then
    -- The term of a role that nobody has ends with a blank.
    local term = call('HGET', held, string.match(field, '^[^/]+'))
    answer = term and string.match(term, '%S+$')
    if not answer then return 0 end
  elseif call('HGET', hash, field) ~= value then
    return 0
  end
  local width, renewed = window(tonumber(lease)), tonumber(call('ZSCORE', times, field) or nil)
  if not renewed or now < renewed or now - renewed > INTERRUPTED * width then return 0 end
  if call('ZCOUNT', times, '-inf', now - width) > 0 then return 0 end
  if call('ZCOUNT', expiring, '-inf', now) > 0 then return 0 end
end
for n = 1, #KEYS / 4 do
  local times = KEYS[4 * n - 1]
  local moved = redis.pcall('ZADD', times, now, field)
  if type(moved) == 'table' then
    -- A score that moves takes no memory: after this, which removes nothing, Redis lets it pass
    -- although it has none left.
    call('ZREM', times, '')
    call('ZADD', times, now, field)
  end
end
return answer
