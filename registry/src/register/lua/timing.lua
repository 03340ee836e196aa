-- What every script that renews has in common. Times are in ms by the clock of Redis.

-- Who renews watches the others. Whoever has not renewed for more than this part of its window has
-- not watched meanwhile: Redis, or it, was away, or the clock was set.
local INTERRUPTED = 0.4
-- Everybody renews at least every 4 s, so nobody needs a longer window than four times that.
local WIDEST = 16000

local function window(lease) return math.min(lease, WIDEST) end

-- The time by the clock of Redis.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
