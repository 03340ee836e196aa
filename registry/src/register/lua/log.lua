-- The change log (see ../../log/mod.rs). What is to change in a hash is drafted, and then
-- committed: first the entry, then the hash. So whoever is told that the hash changed knows that
-- the log says how.

-- About how many entries a log keeps, and how many operations an entry lists.
local MAX_LEN = '10000'
local MAX_OPERATIONS = 1000

-- Adds a field to the draft, with what it is to be, false where it goes, whatever the hash has.
-- `more` is by how many fields the hash will be longer.
local function note(it, field, value, more)
  if not it.draft then it.order, it.draft, it.more = {}, {}, 0 end
  if it.draft[field] == nil then it.order[#it.order + 1] = field end
  it.draft[field] = value
  it.more = it.more + more
end

-- The value of a field, once the draft is committed.
local function value_of(it, field)
  local value = it.draft and it.draft[field]
  if value ~= nil then return value end
  return call('HGET', it.hash, field)
end

-- Adds a field to the draft, unless it is like that already; whether it is not.
local function draft(it, field, value)
  local was = value_of(it, field)
  if was == value then return false end
  note(it, field, value, (value and 1 or 0) - (was and 1 or 0))
  return true
end

-- Appends an entry of these fields and values.
local function append(it, verb, fields)
  local entry = { it.log, 'MAXLEN', '~', MAX_LEN, '*', '.verb', verb, '.by', BY, '.nonce', NONCE }
  if #books > 1 then fields[#fields + 1], fields[#fields + 2] = '.tx', NONCE end
  for n = 1, #fields do entry[#entry + 1] = fields[n] end
  call('XADD', unpack(entry))
end

-- Calls with fields, and their values where they have any, in portions that fit on the stack.
local function portions(command, key, words)
  for from = 1, #words, 1000 do
    call(command, key, unpack(words, from, math.min(from + 999, #words)))
  end
end

-- Appends the draft to the log and then makes it so. With `drops`, roles of which nothing that
-- was lost is wanted any more, there is an entry even if the hash stays as it is.
local function commit(it, verb, drops)
  if not it.draft and not drops then return end
  local order = it.order or {}
  local said = { '.len', whole(call('HLEN', it.hash) + (it.more or 0)) }
  local function say(field, value) said[#said + 1], said[#said + 2] = field, value end
  for _, role in ipairs(drops or {}) do say('.drop', role) end
  local listed = #order <= MAX_OPERATIONS
  if not listed then say('.reset', '') end
  local set, gone = {}, {}
  for _, field in ipairs(order) do
    local value = it.draft[field]
    if listed then say((value and '+' or '-') .. field, value or '') end
    if value then
      set[#set + 1], set[#set + 2] = field, value
    else
      gone[#gone + 1] = field
    end
  end
  append(it, verb, said)
  portions('HSET', it.hash, set)
  portions('HDEL', it.hash, gone)
  it.order, it.draft, it.more = nil, nil, nil
end
