-- ARGV: the role, and for each hash: its value, empty where the role goes; up to which entry of the
-- log the hash is known; how many fields of the role were found in it, and whether these must be
-- `exact` all there is, or `any`; then the fields, where exact each with its value. In the end what
-- must still be as it was found, by which a pointer leads to an address: hash, field, value.
-- Answers `again` where the hash has changed in a way that takes another look.
local role, answer, now, at = ARGV[1], {}, clock(), 2
-- How many entries may have come since.
local OVERTAKEN = 256

local refusal = refused(books)
if refusal then return refusal end

-- Takes note of fields that came since the hash was looked at; false if it takes another look.
local function follow(it, add)
  local entries = call('XRANGE', it.log, it.position, '+', 'COUNT', OVERTAKEN + 1)
  if #entries > OVERTAKEN then return false end
  for _, entry in ipairs(entries) do
    local said = entry[1] == it.position and {} or entry[2]
    for n = 1, #said, 2 do
      local sign, field = string.sub(said[n], 1, 1), string.sub(said[n], 2)
      if said[n] == '.reset' then return false end
      if (sign == '+' or sign == '-') and role_of(field) == role then
        if it.exact then return false end
        add(field)
      end
    end
  end
  return true
end

-- Which of these fields the hash has, and their values.
local function present(it, fields)
  local found = {}
  for from = 1, #fields, 1000 do
    local to = math.min(from + 999, #fields)
    for n, value in ipairs(call('HMGET', it.hash, unpack(fields, from, to))) do
      if value then found[#found + 1] = { fields[from + n - 1], value } end
    end
  end
  return found
end

for _, it in ipairs(books) do
  it.value, it.position, it.exact = ARGV[at], ARGV[at + 1], ARGV[at + 3] == 'exact'
  local count, step = tonumber(ARGV[at + 2]), it.exact and 2 or 1
  local fields, expected = {}, {}
  local function add(field)
    if expected[field] == nil then fields[#fields + 1], expected[field] = field, false end
  end
  for n = at + 4, at + 3 + count * step, step do
    add(ARGV[n])
    if it.exact then expected[ARGV[n]] = ARGV[n + 1] end
  end
  at = at + 4 + count * step
  if not follow(it, add) then return 'again' end
  it.holders = call('ZRANGE', it.times, 0, -1, 'WITHSCORES')
  for n = 1, #it.holders, 2 do add(it.holders[n]) end
  add(role)
  it.present = present(it, fields)
  for _, one in ipairs(it.exact and it.present or {}) do
    if expected[one[1]] ~= one[2] then return 'again' end
  end
  if it.exact and #it.present < count then return 'again' end
end

-- The hashes are those above, in general. Another view is only looked at; where this script cannot, as
-- on another node of a cluster, it was as good a moment before.
for n = at, #ARGV, 3 do
  local value = redis.pcall('HGET', ARGV[n], ARGV[n + 1])
  if type(value) ~= 'table' and value ~= ARGV[n + 2] then return 'again' end
end

-- Ends all leases of the role; the fields of those who held it. They are told when they renew.
local function end_holders(it)
  local alive, number = {}, now
  it.term = term_of(it, role)
  for from = 1, #it.holders, 2000 do
    local these = leases(it, { unpack(it.holders, from, math.min(from + 1999, #it.holders)) })
    local ended = {}
    for _, one in ipairs(these) do
      if holds(one) and runs(one, now) then alive[#alive + 1] = one.field end
      -- Who stands by is left to do so.
      if one.state ~= 'standby' then ended[#ended + 1] = one end
      number = math.max(number, one.from + 1)
    end
    forget(it, ended)
  end
  if it.term then number = math.max(number, it.term.number + 1) end
  if it.term or #it.holders > 0 then
    begin_term(it, role, { number = number, verb = VERB, by = BY, field = '' }, now)
  end
  return alive
end

for n, it in ipairs(books) do
  local changed, gone = false, {}
  if it.value ~= '' then changed = draft(it, role, it.value) end
  for _, one in ipairs(it.present) do
    if one[1] ~= role or it.value == '' then
      gone[#gone + 1] = one[1]
      note(it, one[1], false, -1)
    end
  end
  commit(it, VERB, { role })
  answer[n] = { (changed or #gone > 0) and 1 or 0, gone, end_holders(it) }
end
return answer
