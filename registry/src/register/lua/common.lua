-- What all scripts that change something have in common. STRIDE is how many keys they are given for
-- each hash: the hash and its log; and where it is about leases what is held, the times of this
-- role, and what expires (see ../mod.rs).
-- What ARGV ends with is for the log: the verb, who it is, and a nonce. The rest is the script's own.
local NONCE, BY, VERB = table.remove(ARGV), table.remove(ARGV), table.remove(ARGV)
local call = redis.call

-- The keys of the hash number `n`. A key of another type, or a user who may not write, ends the
-- script here, before anything is written: no field is called ''. What comes later then cannot fail
-- half way for want of memory either: Redis refuses that only before the first write.
local function book(n)
  local it = {}
  it.hash, it.log, it.held, it.times, it.expiring = unpack(KEYS, STRIDE * (n - 1) + 1, STRIDE * n)
  call('HDEL', it.hash, '')
  if it.held then
    call('HDEL', it.held, '')
    call('ZREM', it.times, '')
    call('ZREM', it.expiring, '')
  end
  return it
end

local books = {}
for n = 1, #KEYS / STRIDE do books[n] = book(n) end

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

local function whole(number) return string.format('%.0f', number) end

-- The role of a field in its normal form, whatever the spelling.
local function role_of(field)
  local role = string.lower(string.match(field, '^[^/]*'))
  return (string.gsub(role, '([^.])%.$', '%1'))
end
