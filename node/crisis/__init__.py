"""What a crisis means: states as functions of what was said, in any order. Pure.

frameworks  the rules it is declared under: read from documents, and what they ask for
events      when something happened, in the zone of the place
forms       the file by which people declare one
states      where it can stand, what moves it, what contradicts what: a table
leadership  who leads it, and which of their acts contradict each other
lifecycle   where it stands, by all that was said of it
orders      clocks of removal orders that it refers to
wording     what somebody said, on one line
words       words for the numbers of the wire
"""
