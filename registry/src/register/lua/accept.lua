-- ARGV: the roles of which nothing that was lost is wanted any more, or `*`.
for _, it in ipairs(books) do commit(it, VERB, ARGV) end
return #books
