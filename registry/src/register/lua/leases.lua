-- How leases end. The time of a lease runs only while somebody could have renewed it.

-- Takes note of the time since the last renewal by anybody. While Redis was away, or its clock
-- was set, nobody could renew. Everybody renews within a quarter of their lease, so a gap of more
-- than 0.3 is such a time, or that of a holder with a longer lease: it counts as a sixth. Who is
-- alive then has 0.58 left, at least, to come back in; 0.45 after a gap that is shorter. A clock
-- that was set back takes the leases with it.
local function elapse(it, now)
  local last = tonumber(call('ZSCORE', it.leases, RENEWED) or now)
  local gap = now - last
  if gap >= 0 and gap <= GAP then return end
  for from = 0, call('ZCARD', it.held) - 1, 1000 do
    for _, one in ipairs(parsed(call('ZRANGE', it.held, from, from + 999))) do
      local shift = 0
      if gap < 0 then
        shift = gap
      elseif gap > 0.3 * one.lease then
        shift = gap - one.lease / 6
      end
      local at = ends(it, one.field)
      if at and at ~= KEPT and shift ~= 0 then
        call('ZADD', it.leases, whole(at + shift), one.field)
      end
    end
  end
  call('ZADD', it.leases, whole(now), RENEWED)
end

-- When a role was renewed last by somebody whose lease has not run out; 0 if there is nobody.
local function renewed(lines, now, it)
  local last = 0
  for _, one in ipairs(lines) do
    local at = ends(it, one.field)
    if at and at > now then last = math.max(last, at - one.lease) end
  end
  return last
end

-- Whether a role has a field that is not held. Nil: that would take a walk, and the last one was
-- not long ago.
local function has_plain(it, role, lines, now, patient)
  if call('HGET', it.hash, role) then return true end
  local held = {}
  for _, one in ipairs(lines) do
    held[one.field] = true
    local is = call('HGET', it.hash, one.field)
    if is and is ~= one.value then return true end
  end
  local fields = call('HLEN', it.hash)
  if fields > WALKABLE then return false end
  if patient then
    -- Walks take a tenth of the time at most; one that lies far ahead is by a clock set back.
    local next = tonumber(call('ZSCORE', it.leases, WALKED) or 0)
    if now < next and next - now < 60000 then return nil end
    call('ZADD', it.leases, whole(now + fields / 100), WALKED)
  end
  local _, other = walk(it, role, function(field) return not held[field] end)
  return other ~= nil
end

-- Drafts the end of leased fields; one that has another value by now was written by somebody else,
-- and stays.
local function withdraw(it, lines)
  for _, one in ipairs(lines) do
    if value_of(it, one.field) == one.value then draft(it, one.field, false) end
  end
end

-- Drafts the end of what was kept of a role because it was the last, now that `field` holds it; the
-- lines to forget. With `grace`, who was cut off as long as `field` was has half of its lease to be
-- back as well.
local function supersede(it, role, field, grace)
  local gone = {}
  for _, one in ipairs(held_of(it, role)) do
    local at = ends(it, one.field)
    if one.field ~= field and at == KEPT and grace then
      call('ZADD', it.leases, whole(clock() + one.lease / 2), one.field)
    elseif one.field ~= field and (at == KEPT or not at) then
      gone[#gone + 1] = one
    end
  end
  withdraw(it, gone)
  return gone
end

-- Removes the fields of some of the leases that ran out, where somebody else has renewed that role
-- since; who died together with all others stays with them. Answers why that was refused, if so.
local function expire(it, now)
  local roles, gone = {}, {}
  local over = call('ZRANGEBYSCORE', it.leases, 0, whole(now), 'WITHSCORES', 'LIMIT', 0, BATCH + 2)
  for n = 1, #over, 2 do
    local field, at = over[n], tonumber(over[n + 1])
    local held = held_as(it, field)
    if #held > 0 then
      local role = role_of(field)
      local known = roles[role]
      if not known then
        local lines = held_of(it, role)
        known = { renewed = renewed(lines, now, it), plain = false }
        if known.renewed == 0 then known.plain = has_plain(it, role, lines, now, true) end
        roles[role] = known
      end
      if known.plain or known.renewed > at then
        withdraw(it, held)
        for _, one in ipairs(held) do gone[#gone + 1] = one end
      elseif known.renewed == 0 and known.plain == false then
        call('ZADD', it.leases, KEPT, field)
      end
    elseif field ~= RENEWED and field ~= WALKED then
      call('ZREM', it.leases, field)
    end
  end
  if #gone == 0 then return end
  local refusal = refused({ it })
  if refusal then return refusal end
  commit(it, 'expire')
  forget(it, gone)
end
