-- How sizes come together, as people read it: 4,000 × 3,000 = 12,000,000. Of many, the first eight.
--   p_sign   between the sizes, spaces included
create function falconeri._size_text(p_sizes bigint[], p_sign text, p_count numeric) returns text
language sql immutable
begin atomic
  select case cardinality(p_sizes)
    when 1 then ''
    else string_agg(falconeri._grouped(s.size), p_sign order by s.place) || case
      when cardinality(p_sizes) > 8 then
        format('%s… (%s parts)', p_sign, falconeri._grouped(cardinality(p_sizes)))
      else ''
    end || ' = '
  end || case when p_count < 1e30 then falconeri._grouped(p_count) else 'more than 10^30' end
  from unnest(p_sizes[:8]) with ordinality s (size, place);
end;
comment on function falconeri._size_text(bigint[], text, numeric)
is 'How sizes come together, as people read it: 4,000 × 3,000 = 12,000,000.';
