-- What all scripts have in common. A script is given four keys for each hash:
-- the hash itself, its log, its leases and its held fields (see ../mod.rs).
-- What ARGV ends with is for the log: the verb, who it is, and a nonce. The rest is the script's own.
local NONCE, BY, VERB = table.remove(ARGV), table.remove(ARGV), table.remove(ARGV)
local call = redis.call

-- Not fields, but what the sorted set of leases says of itself.
local RENEWED = '!renewed' -- when anybody last renewed
local WALKED = '!walked'   -- when the hash may be walked again

-- How long a gap between two renewals may be (ms) and count for each lease: 0.3 of the shortest
-- that there can be.
local GAP = 900
-- The end of a lease that ran out and whose field is kept.
local KEPT = -1
-- How many leases that ran out are looked at in one run.
local BATCH = 64
-- Above so many fields a hash is not walked for the sake of a lease.
local WALKABLE = 100000

-- The keys of the hash number `n`. A key of another type, or a user who may not write, ends the
-- script here, before anything is written: no field is called ''.
local function book(n)
  local it = { hash = KEYS[4 * n - 3], log = KEYS[4 * n - 2], leases = KEYS[4 * n - 1], held = KEYS[4 * n] }
  call('HDEL', it.hash, '')
  call('ZREM', it.leases, '')
  call('ZREM', it.held, '')
  return it
end

local books = {}
for n = 1, #KEYS / 4 do books[n] = book(n) end

-- Why one of these logs cannot be written to, as the answer of the script. To be asked before
-- anything is written.
local function refused(these)
  for _, it in ipairs(these) do
    local length = redis.pcall('XLEN', it.log)
    if type(length) == 'table' then
      if not string.find(length.err, '^%-?WRONGTYPE') then return length end
      return redis.error_reply('ERR ' .. it.log .. ' is not a stream, and the change log of '
        .. it.hash .. ' belongs there: rename that key, or delete it')
    end
  end
end

-- The time by the clock of Redis, in ms.
local function clock()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number) return string.format('%.0f', number) end

-- The role of a field in its normal form, whatever the spelling.
local function role_of(field)
  local role = string.lower(string.match(field, '^[^/]*'))
  return (string.gsub(role, '([^.])%.$', '%1'))
end

-- Walks the hash for the fields of a role in every spelling; the first that `enough` accepts
-- ends it. This holds Redis up for 0.7 s at a million fields.
local function walk(it, role, enough)
  local pattern = string.gsub(role, '[%a*]', function(c)
    return c == '*' and '\\*' or '[' .. c .. string.upper(c) .. ']'
  end) .. '*'
  local found, seen, cursor = {}, {}, '0'
  repeat
    local page = call('HSCAN', it.hash, cursor, 'MATCH', pattern, 'COUNT', 1000)
    cursor = page[1]
    for at = 1, #page[2], 2 do
      local field = page[2][at]
      if not seen[field] and role_of(field) == role then
        seen[field] = true
        found[#found + 1] = field
        if enough and enough(field) then return found, field end
      end
    end
  until cursor == '0'
  return found
end

-- Takes lines of the held apart, `FIELD LEASE VALUE`; what is no such line is none of ours.
local function parsed(lines)
  local held = {}
  for _, line in ipairs(lines) do
    local field, lease, value = string.match(line, '^(%S+/%S+) (%d+) (.+)$')
    if field then
      held[#held + 1] = { line = line, field = field, lease = tonumber(lease), value = value }
    end
  end
  return held
end

-- What is held of a field: one line, or, after its holder came back elsewhere, more.
local function held_as(it, field)
  return parsed(call('ZRANGEBYLEX', it.held, '[' .. field .. ' ', '(' .. field .. '!'))
end

-- What is held of a role ('0' comes right after '/').
local function held_of(it, role)
  return parsed(call('ZRANGEBYLEX', it.held, '[' .. role .. '/', '(' .. role .. '0'))
end

-- When a lease ends; KEPT where it has run out and the field was kept, none where its holder left.
local function ends(it, field)
  return tonumber(call('ZSCORE', it.leases, field) or nil)
end

-- Ends leases without touching the hash. Nothing is left behind by the last one.
local function forget(it, lines)
  for _, one in ipairs(lines) do
    call('ZREM', it.held, one.line)
    call('ZREM', it.leases, one.field)
  end
  if call('ZCARD', it.held) == 0 then call('ZREM', it.leases, RENEWED, WALKED) end
end
