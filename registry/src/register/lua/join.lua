-- ARGV: the role, the member, and for each hash its value.
local role, field, answer = ARGV[1], ARGV[1] .. '/' .. ARGV[2], {}
for n, it in ipairs(books) do
  local value = ARGV[2 + n]
  local changed = redis.call('HGET', it.hash, field) ~= value
  if changed then redis.call('HSET', it.hash, field, value) end
  forget(it, held_as(it, field))
  supersede(it, role, field, false)
  answer[n] = { changed and 1 or 0, {}, {} }
end
return answer
