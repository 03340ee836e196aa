-- How leases end. The time of a lease runs only while somebody could have renewed it.

-- Takes note of the time since the last renewal by anybody. While Redis was away, or its clock
-- was set, nobody could renew: of a gap a lease loses a third of its length at most, so who is
-- alive has another third to come back in. A clock that was set back takes the leases with it.
local function elapse(it, now)
  local last = tonumber(redis.call('ZSCORE', it.leases, RENEWED) or now)
  local gap = now - last
  if gap >= 0 and gap <= GAP then return end
  for from = 0, redis.call('ZCARD', it.held) - 1, 1000 do
    for _, one in ipairs(parsed(redis.call('ZRANGE', it.held, from, from + 999))) do
      local shift = gap < 0 and gap or math.max(0, gap - one.lease / 3)
      local at = ends(it, one.field)
      if at and shift ~= 0 then
        redis.call('ZADD', it.leases, whole(at + shift), one.field)
      end
    end
  end
end

-- Whether a role has a field that is not held, or held by somebody alive. Nil: that would take
-- a walk, and the last one was not long ago.
local function has_others(it, role, now, patient)
  local held = {}
  for _, one in ipairs(held_of(it, role)) do
    local at = ends(it, one.field)
    if at and at > now then return true end
    held[one.field] = one.value
  end
  if redis.call('HEXISTS', it.hash, role) == 1 then return true end
  for field, value in pairs(held) do
    local is = redis.call('HGET', it.hash, field)
    if is and is ~= value then return true end
  end
  if it.fields > WALKABLE then return false end
  if patient then
    -- Walks take a tenth of the time at most; one that lies far ahead is by a clock set back.
    local next = tonumber(redis.call('ZSCORE', it.leases, WALKED) or 0)
    if now < next and next - now < 60000 then return nil end
    redis.call('ZADD', it.leases, whole(now + it.fields / 100), WALKED)
  end
  local _, other = walk(it, role, function(field) return held[field] == nil end)
  return other ~= nil
end

-- Removes the fields of some of the leases that ran out. The last of a role stay.
local function expire(it, now)
  local others = {}
  local over = redis.call('ZRANGEBYSCORE', it.leases, '-inf', whole(now), 'LIMIT', 0, BATCH + 2)
  for _, field in ipairs(over) do
    if string.sub(field, 1, 1) ~= '!' then
      local role = role_of(field)
      if others[role] == nil then
        others[role] = { has_others(it, role, now, true) }
      end
      local has = others[role][1]
      if has == true then
        remove(it, held_as(it, field))
      end
      if has == false then
        redis.call('ZREM', it.leases, field)
      end
    end
  end
end
