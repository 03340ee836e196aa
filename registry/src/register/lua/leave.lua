-- ARGV: the role and the member.
local field, answer = ARGV[1] .. '/' .. ARGV[2], {}
for n, it in ipairs(books) do
  local gone = redis.call('HDEL', it.hash, field)
  forget(it, held_as(it, field))
  answer[n] = { gone, gone == 1 and { field } or {}, {} }
end
return answer
