-- ARGV: whether everything else goes, `replace` or `merge`; then fields with a sign as in the log,
-- and their values.
local it, replace = books[1], ARGV[1] == 'replace'
local refusal = refused(books)
if refusal then return refusal end
for n = 2, #ARGV, 2 do
  local field = string.sub(ARGV[n], 2)
  draft(it, field, string.sub(ARGV[n], 1, 1) == '+' and ARGV[n + 1])
end
commit(it, VERB, replace and { '*' } or nil)
return #books
