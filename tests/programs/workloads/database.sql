-- The number of rows is the parameter :rows.
CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, price REAL, category INTEGER);
BEGIN;
WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < :rows)
INSERT INTO items SELECT n, printf('item %07d', n * 7919 % 1000003), n * 37 % 10007 / 100.0, n % 97 FROM counter;
COMMIT;
CREATE INDEX by_name ON items(name);
CREATE INDEX by_category ON items(category, price);
ANALYZE;
SELECT count(*), printf('%.2f', sum(price)), min(name), max(name) FROM items;
SELECT category, count(*), printf('%.3f', avg(price)) FROM items GROUP BY category ORDER BY 3 DESC, 1 LIMIT 10;
SELECT a.id, b.id, a.name FROM items a JOIN items b ON b.id = a.category + 1 WHERE a.price BETWEEN 10 AND 10.2 ORDER BY a.name, a.id LIMIT 10;
UPDATE items SET price = price * 1.1, name = name || ' (new)' WHERE category % 5 = 0;
DELETE FROM items WHERE id % 11 = 3;
SELECT count(*), printf('%.2f', total(price)) FROM items WHERE name LIKE '%(new)';
SELECT group_concat(name, '; ') FROM (SELECT name FROM items ORDER BY name LIMIT 5);
CREATE TABLE copy AS SELECT category, json_group_array(id) AS ids FROM items GROUP BY category;
SELECT length(ids) FROM copy ORDER BY category LIMIT 5;
SELECT sum(value) FROM copy, json_each(copy.ids) WHERE category < 10;
VACUUM;
PRAGMA integrity_check;
