-- Words go into the indexes at once. Otherwise new ones wait in a list that every search goes through, and the writer
-- that finds it full puts all of them in their places.

ALTER INDEX message_words_document SET (fastupdate = off);
ALTER INDEX memories_document SET (fastupdate = off);
SELECT gin_clean_pending_list('message_words_document'), gin_clean_pending_list('memories_document');
