-- ARGV: the roles of which nothing that was lost is wanted any more, or `*`.
local refusal = refused(books)
if refusal then return refusal end
for _, it in ipairs(books) do commit(it, VERB, ARGV) end
return #books
