package conformance

// shareLists are the lists that fuxi asks for.
func shareLists() Story {
	list := func(name, query string, n int) Case {
		return Case{Name: name, Do: "GET manila:/shares?" + query, Status: 200, Want: countShares(n)}
	}
	refuse := func(name, query string, status int, says string) Case {
		return Case{Name: name, Do: "GET manila:/shares?" + query, Status: status, Says: says}
	}
	return story("share-lists", newShare("s", `,"metadata":{"volume_from":"<name>","k":"it's"}`), []Case{
		{Name: "in detail", Do: "GET manila:/shares/detail?name=<name>", Status: 200,
			Want: map[string]any{"shares.#": 1, "shares.0.id": "<s>", "shares.0.metadata.k": "it's"}},
		{Name: "in detail with the recycle bin", Version: "2.69", Do: "GET manila:/shares/detail?name=<name>", Status: 200,
			Want: map[string]any{"shares.#": 1, "shares.0.is_soft_deleted": false}},
		list("by name", "name=<name>", 1),
		list("by part of a name", "name=share-list", 0),
		list("by name in capitals", "name=CONFORMANCE-share-lists", 1),
		list("by name and space", "name=<name>%20", 1),
		list("by the metadata of fuxi", "metadata={'volume_from':+'<name>'}", 1),
		list("by quoted metadata", `metadata={'k':'it\'s','volume_from':'<name>'}`, 1),
		list("by metadata in double quotes", `metadata={%22k%22:%22it's%22,'volume_from':'<name>'}`, 1),
		list("by other metadata", "metadata={'volume_from':'<name>','k':'x'}", 0),
		list("by name and metadata", "name=<name>&metadata={'volume_from':'x'}", 0),
		list("by status", "name=<name>&status=available", 1),
		list("by another status", "name=<name>&status=error", 0),
		list("by an unknown field", "name=<name>&colour=red", 1),
		list("by time, which nobody knows", "name=<name>&updated_at=gte:2099-01-01T00:00:00", 1),
		refuse("by no metadata", "metadata=x", 500, ""),
		refuse("by a number of metadata", "metadata=5", 400, "Wrong metadata filter"),
		refuse("unknown order", "sort_key=colour", 400, "Wrong sorting key"),
		refuse("unknown direction", "sort_key=id&sort_dir=up", 400, ""),
		refuse("limit a word", "limit=x", 400, "must be an integer"),
		refuse("limit negative", "limit=-1", 400, "must be positive"),
		refuse("offset a word", "limit=1&offset=x", 400, "must be an integer"),
		refuse("offset negative", "limit=1&offset=-1", 400, "must be positive"),
		list("nothing", "limit=0", 0),
	})
}

// sharePages is counting through a list.
func sharePages() Story {
	const query = "GET manila:/shares?metadata={'page':'<name>'}&sort_key=id&sort_dir=asc"
	marked := `,"metadata":{"page":"<name>"}`
	return story("share-pages", newShare("s", marked), newShare("t", marked), []Case{
		{Name: "all", Do: query, Status: 200, Want: countShares(2),
			Keep: map[string]string{"first": "shares.0.id", "second": "shares.1.id"}},
		{Name: "first", Do: query + "&limit=1", Status: 200,
			Want: map[string]any{"shares.#": 1, "shares.0.id": "<first>", "shares_links.0.rel": "next"}},
		{Name: "second", Do: query + "&limit=1&offset=1", Status: 200, Want: map[string]any{"shares.#": 1, "shares.0.id": "<second>"}},
		{Name: "end", Do: query + "&limit=1&offset=2", Status: 200, Want: countShares(0)},
		{Name: "offset alone", Do: query + "&offset=1", Status: 200, Want: countShares(2)},
		{Name: "marker, which does nothing", Do: query + "&limit=1&marker=<first>", Status: 200, Want: map[string]any{"shares.0.id": "<first>"}},
		{Name: "backwards", Do: "GET manila:/shares?metadata={'page':'<name>'}&sort_key=id&sort_dir=desc", Status: 200,
			Want: map[string]any{"shares.0.id": "<second>"}},
		{Name: "with their number", Do: query + "&limit=1&with_count=true", Status: 200, Want: map[string]any{"count": 2}},
	})
}

// shareSurroundings are what is checked before a share is made.
func shareSurroundings() Story {
	return story("share-surroundings", []Case{
		{Name: "types", Do: "GET manila:/types", Status: 200, Want: map[string]any{"share_types.0.name": "*"},
			Partial: []string{"share_types", "volume_types"}},
		{Name: "default type", Do: "GET manila:/types/default", Status: 200, Want: map[string]any{"share_type.name": "*"},
			Partial: []string{"share_type", "volume_type"}},
		{Name: "networks", Do: "GET manila:/share-networks", Status: 200, Want: map[string]any{"share_networks.#": 0}},
		{Name: "make a network", Do: "POST manila:/share-networks", Status: 200, Body: `{"share_network":{"name":"<name>"}}`,
			Want: map[string]any{"share_network.name": "<name>"}, Keep: map[string]string{"n": "share_network.id"}},
		{Name: "one network", Do: "GET manila:/share-networks", Status: 200,
			Want: map[string]any{"share_networks.#": 1, "share_networks.0.id": "<n>", "share_networks.0.name": "<name>"}},
		{Name: "somebody else's network", As: other, Do: "DELETE manila:/share-networks/<n>", Status: 404},
		{Name: "delete the network", Do: "DELETE manila:/share-networks/<n>", Status: 202},
		{Name: "delete it again", Do: "DELETE manila:/share-networks/<n>", Status: 404},
		{Name: "zones", Do: "GET manila:/availability-zones", Status: 200, Want: map[string]any{"availability_zones.0.name": "<zone>"}},
		{Name: "messages", Do: "GET manila:/messages?resource_id=<nowhere>", Status: 200, Want: map[string]any{"messages.#": 0}},
		{Name: "no snapshot", Do: "GET manila:/snapshots/<nowhere>", Status: 404},
		{Name: "snapshots", Do: "GET manila:/snapshots?share_id=<nowhere>", Status: 200, Want: map[string]any{"snapshots.#": 0}},
	})
}
