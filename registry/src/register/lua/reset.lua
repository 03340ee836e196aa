-- ARGV: `ask` whether the log can be written to, or `append` the entry of a change that is too
-- large to list; what is dropped with it.
local refusal = refused(books)
if refusal then return refusal end
if ARGV[1] == 'append' then
  append(books[1], VERB, ARGV[2] and { '.drop', ARGV[2], '.reset', '' } or { '.reset', '' })
end
return #books
