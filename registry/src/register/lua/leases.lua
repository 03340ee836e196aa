-- Leases: what is known of those who hold a role, or stand by to.

-- For how long it is remembered who ended a holding, for a holder that was away.
local REMEMBERED = 30 * 24 * 3600 * 1000
-- How many of those who have not renewed are looked at in one run.
local BATCH = 16

-- Takes a record apart; nil if it is none.
local function parsed(text)
  if not text then return nil end
  local state, nonce, lease, since, from, bound, by, value =
    string.match(text, '^(%l+) (%x+) (%d+) (%d+) (%d+) (%S+) (%S+) (.*)$')
  if not state then return nil end
  return { text = text, state = state, nonce = nonce, lease = tonumber(lease), since = tonumber(since),
    from = tonumber(from), bound = bound, by = by, value = value }
end

local function record(it, field) return parsed(call('HGET', it.held, field)) end

-- Writes a record, unless it is like that already.
local function remember(it, field, one)
  local text = table.concat({ one.state, one.nonce, whole(one.lease), whole(one.since),
    whole(one.from), one.bound, one.by, one.value }, ' ')
  if text ~= one.text then call('HSET', it.held, field, text) end
end

-- The current term of a role, where it is known: its number, which grows with each exclusive holder
-- and with each verb that ended holders; which verb began it, by whom, and the field of the holder,
-- empty if there is none.
local function term_of(it, role)
  local number, verb, by, field =
    string.match(call('HGET', it.held, role) or '', '^(%d+) (%S+) (%S+) (%S*)$')
  return number and { number = tonumber(number), verb = verb, by = by, field = field }
end

local function begin_term(it, role, term, now)
  it.term = term
  call('HSET', it.held, role, table.concat({ whole(term.number), term.verb, term.by, term.field }, ' '))
  call('ZADD', it.expiring, whole(now + REMEMBERED), role)
end

-- The leases of fields, which come with their times as from WITHSCORES. What has no record is
-- dropped.
local function leases(it, scored)
  local fields, all = {}, {}
  for n = 1, #scored, 2 do fields[#fields + 1] = scored[n] end
  if #fields == 0 then return all end
  local texts = call('HMGET', it.held, unpack(fields))
  for n, field in ipairs(fields) do
    local one = parsed(texts[n])
    if one then
      one.field, one.renewed = field, tonumber(scored[2 * n])
      all[#all + 1] = one
    else
      call('ZREM', it.times, field)
    end
  end
  return all
end

-- All leases of the role.
local function everybody(it)
  local all = {}
  for from = 0, call('ZCARD', it.times) - 1, 1000 do
    for _, one in ipairs(leases(it, call('ZRANGE', it.times, from, from + 999, 'WITHSCORES'))) do
      all[#all + 1] = one
    end
  end
  return all
end

local function holds(one) return one.state == 'member' or one.state == 'holder' end

-- Whether a lease has not run out.
local function runs(one, now) return now <= one.renewed + one.lease end

-- Whether somebody is dead, as a witness knows it that has watched since then, in a window of that
-- width: for a whole lease it could have renewed, and did not.
local function dead(one, now, since, width)
  return now > math.max(one.renewed, since) + math.max(one.lease, width)
end

-- Drafts the end of leased fields; one that has another value by now was written by somebody else,
-- and stays. Who stands by has none.
local function withdraw(it, these)
  for _, one in ipairs(these) do
    if one.state ~= 'standby' and value_of(it, one.field) == one.value then
      draft(it, one.field, false)
    end
  end
end

-- Ends leases, without touching the hash.
local function forget(it, these)
  for _, one in ipairs(these) do
    call('HDEL', it.held, one.field)
    call('ZREM', it.times, one.field)
    call('ZREM', it.expiring, one.field)
  end
end

-- Removes what dead holders held; nothing where the log cannot be written to.
local function bury(it, these, role, now)
  withdraw(it, these)
  if it.draft and refused({ it }) then
    it.order, it.draft, it.more = nil, nil, nil
    return
  end
  commit(it, 'expire')
  forget(it, these)
  for _, one in ipairs(these) do
    if it.term and it.term.field == one.field then
      it.term.field = ''
      begin_term(it, role, it.term, now)
    end
  end
end

-- A field is somebody else's now, who does not hold it: its holder is told so when it renews.
local function dispossess(it, role, field, now)
  local one = record(it, field)
  if not one then return end
  one.field = field
  forget(it, { one })
  if not holds(one) and one.state ~= 'standby' then return end
  it.term = term_of(it, role)
  if it.term and it.term.field == field then
    begin_term(it, role, { number = math.max(now, it.term.number + 1), verb = VERB, by = BY, field = '' }, now)
  end
  one.state, one.by, one.value = 'ended', BY, VERB
  remember(it, field, one)
  call('ZADD', it.expiring, whole(now + REMEMBERED), field)
end
